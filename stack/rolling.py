"""Restarts one API replica so that no client notices: asked to drain first, stopped once it is idle."""

import asyncio
import csv
import io
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from stack.child import Child
from stack.errors import StackError
from stack.profile import Profile

# Longer than any request may take; what is still open then is no request of ours.
_DRAIN_SECONDS = 15.0
_PAUSE = 0.1


async def restart_replica(child: Child, *, profile: Profile, seconds: float) -> None:
    """Drain, stop, start, and wait until HAProxy gives it traffic again; twice is twice a restart.

    Raises:
        StackError: HAProxy doesn't answer or doesn't see the replica drain (nothing was stopped), or see it come back.
    """
    balancer = Balancer(profile.runtime_socket)
    server = child.spec.name
    await balancer.is_up(server)  # asked first: without a balancer nothing is drained
    child.send(signal.SIGUSR1)
    if not await _until(lambda: balancer.is_drained(server), seconds=_DRAIN_SECONDS):
        raise StackError(f"{server} still gets requests after {_DRAIN_SECONDS:.0f} s; see ./bookstore logs {server}")
    await child.stop()
    await child.start()
    await child.wait_ready(seconds=seconds)
    if not await _until(lambda: balancer.is_up(server), seconds=seconds):
        raise StackError(f"HAProxy doesn't see {server} up again; see ./bookstore logs haproxy")


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

    async def _row(self, server: str) -> dict[str, str]:
        table = (await self._ask("show stat")).removeprefix("# ")
        for row in csv.DictReader(io.StringIO(table)):
            if row["svname"] == server:
                return row
        raise StackError(f"HAProxy knows no server {server}")

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
