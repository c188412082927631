"""Restarts one API replica so that no client notices: asked to drain first, stopped once it is idle."""

import asyncio
import csv
import io
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from stack.child import Child
from stack.errors import StackError
from stack.profile import Profile

# Longer than any request may take; what is still open then is no request of ours.
_DRAIN_SECONDS = 15.0
_PAUSE = 0.1


async def restart_replica(child: Child, *, profile: Profile, seconds: float) -> None:
    """Drain, stop, start, and wait until HAProxy gives it traffic again; twice is twice a restart.

    The caller lets one at a time do so, or each might count on the other.

    Raises:
        StackError: HAProxy doesn't answer, sees no other replica up, or doesn't see this one drain (it serves on then),
            or come back.
    """
    balancer = Balancer(profile.runtime_socket)
    server = child.spec.name
    others = {f"api-{number}" for number in range(1, len(profile.ports.api) + 1)} - {server}
    if others and not await balancer.any_up(others):
        raise StackError(f"{server} is the only replica that HAProxy sees up; see ./bookstore status")
    child.send(signal.SIGUSR1)
    try:
        await _drain(server, balancer, others)
    except StackError:
        child.send(signal.SIGUSR2)
        raise
    await child.stop()
    await child.start()
    await child.wait_ready(seconds=seconds)
    if not await _until(lambda: balancer.is_up(server), seconds=seconds):
        raise StackError(f"HAProxy doesn't see {server} up again; see ./bookstore logs haproxy")


async def _drain(server: str, balancer: "Balancer", others: Collection[str]) -> None:
    if not await _until(lambda: balancer.is_drained(server), seconds=_DRAIN_SECONDS):
        raise StackError(
            f"{server} still gets requests after {_DRAIN_SECONDS:.0f} s, and serves on; see ./bookstore logs {server}"
        )
    # The others may have gone meanwhile.
    if others and not await balancer.any_up(others):
        raise StackError(f"HAProxy sees no other replica up than {server}, which serves on; see ./bookstore status")


class Balancer:
    """HAProxy's view of the servers, through its runtime socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def is_drained(self, server: str) -> bool:
        """It gets no new requests (or none at all any more), and none is in flight."""
        row = await self._row(server)
        return row["status"].startswith(("NOLB", "DOWN")) and row["scur"] == "0"

    async def is_up(self, server: str) -> bool:
        """It gets traffic, for sure."""
        return (await self._row(server))["status"] == "UP"

    async def any_up(self, servers: Collection[str]) -> bool:
        """One of them gets traffic, for sure."""
        return any(row["svname"] in servers and row["status"] == "UP" for row in await self._rows())

    async def _row(self, server: str) -> dict[str, str]:
        for row in await self._rows():
            if row["svname"] == server:
                return row
        raise StackError(f"HAProxy knows no server {server}")

    async def _rows(self) -> list[dict[str, str]]:
        table = (await self._ask("show stat")).removeprefix("# ")
        return list(csv.DictReader(io.StringIO(table)))

    async def _ask(self, command: str) -> str:
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(f"{command}\n".encode())
                    return (await reader.read()).decode()
                finally:
                    writer.close()
        except OSError as error:
            raise StackError("HAProxy doesn't answer on its runtime socket; see ./bookstore status") from error


async def _until(condition: Callable[[], Awaitable[bool]], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True
