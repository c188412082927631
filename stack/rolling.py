"""Restarts one API replica so that no client notices: drained at the balancer first, put back when it works again."""

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
    """Drain, stop, start, wait until HAProxy has seen it ready, and give it traffic again."""
    balancer = Balancer(profile.runtime_socket)
    server = child.spec.name
    await balancer.set_state(server, "drain")
    try:
        await _until(lambda: balancer.is_idle(server), seconds=_DRAIN_SECONDS)
        child.send(signal.SIGUSR1)
        await child.stop()
        await child.start()
        await child.wait_ready(seconds=seconds)
        await _until(lambda: balancer.check_passes(server), seconds=seconds)
    finally:
        await balancer.set_state(server, "ready")
    if not await _until(lambda: balancer.is_up(server), seconds=seconds):
        raise StackError(f"HAProxy doesn't see {server} up again; see ./bookstore logs haproxy")


class Balancer:
    """HAProxy's runtime socket: the servers of our one backend."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def set_state(self, server: str, state: str) -> None:
        """`drain` or `ready`."""
        row = await self._row(server)
        answer = await self._ask(f"set server {row['pxname']}/{server} state {state}")
        if answer.strip():
            raise StackError(f"HAProxy refuses to set {server} to {state}: {answer.strip()}")

    async def is_idle(self, server: str) -> bool:
        """No request is in flight."""
        row = await self._row(server)
        return row["scur"] == "0" and row["qcur"] == "0"

    async def check_passes(self, server: str) -> bool:
        """The last health check went well."""
        return (await self._row(server))["check_status"].lstrip("* ") == "L7OK"

    async def is_up(self, server: str) -> bool:
        """It gets traffic."""
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
