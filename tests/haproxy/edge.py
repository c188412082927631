"""Runs the real HAProxy with the real configuration on free ports, in front of scripted origins."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import psutil

from tests.factories.ports import free_port
from tests.haproxy.origin import Origin

REPOSITORY: Final = Path(__file__).parents[2]
CONFIGURATION: Final = REPOSITORY / "haproxy" / "haproxy.cfg"
NOBODY: Final = "127.0.0.1:1"

_GENEROUS_SECONDS: Final = 60.0
"""For what takes a moment where the machine isn't busy."""


def haproxy_binary() -> str:
    """Return where HAProxy is; Debian puts it where only root's path looks."""
    return shutil.which("haproxy") or "/usr/sbin/haproxy"


def settings(folder: Path, origins: Sequence[Origin], **overrides: str) -> dict[str, str]:
    """Return what `haproxy.cfg` reads, as the local stack sets it; a lone origin stands in all places."""
    ports = [origin.port for origin in origins]
    rest = f"127.0.0.1:{ports[0]}" if len(ports) == 1 else NOBODY
    addresses = [f"127.0.0.1:{port}" for port in ports] + [rest] * (3 - len(ports))
    return {
        "PATH": os.environ["PATH"],
        "HAPROXY_BIND": f"127.0.0.1:{free_port()}",
        "HAPROXY_STATS_BIND": f"127.0.0.1:{free_port()}",
        "HAPROXY_RUNTIME_SOCKET": str(folder / "haproxy.sock"),
        "HAPROXY_ERRORS": str(REPOSITORY / "haproxy" / "errors"),
        "HAPROXY_SETTLE_SECONDS": "0",
        **{f"HAPROXY_API_{number}": address for number, address in enumerate(addresses, 1)},
        **overrides,
    }


@dataclass(frozen=True)
class Raw:
    """Everything that came back on a connection, byte by byte."""

    data: bytes
    closed: bool


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; a minute at most."""
    async with asyncio.timeout(_GENEROUS_SECONDS):
        while not await condition():  # another process: there's no event to wait for
            await asyncio.sleep(0.02)


async def say(command: str, *, socket_path: Path) -> str:
    """Say a command on a worker's or the master's socket and return the whole reply.

    While a reload hands over, and while the master starts, it may refuse for a moment: then it is said again.
    """
    async with asyncio.timeout(_GENEROUS_SECONDS):
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(socket_path)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
    writer.write(command.encode() + b"\n")
    reply = await reader.read()
    writer.close()
    return reply.decode()


class Edge:
    """One running HAProxy (master and worker) and a client in front of it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.folder = folder
        self.url = f"http://{environment['HAPROXY_BIND']}"
        self.operations = f"http://{environment['HAPROXY_STATS_BIND']}"
        self.client = httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False)
        self.client.headers.clear()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.client.aclose()
        await self.stop()

    async def start(self) -> None:
        """Start it, and come back when it answers."""
        log = (self.folder / "haproxy.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            haproxy_binary(), "-W", "-S", str(self.folder / "master.sock"), "-f", str(CONFIGURATION),
            env=dict(self.environment), stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        await until(self._answers)
        for number in range(1, 4):
            if self.environment[f"HAPROXY_API_{number}"] == NOBODY:
                await self.until(f"api-{number}", "DOWN")

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.operations}/healthz")).status_code == 200
            except httpx.TransportError:
                return False

    async def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            self._process = None

    async def finish(self, worker: int) -> None:
        """Tell a worker to end when its clients have gone, as a reload does; come back when it listens no more."""
        process = psutil.Process(worker)
        process.send_signal(signal.SIGUSR1)

        async def listens_no_more() -> bool:
            return all(one.status != psutil.CONN_LISTEN for one in process.net_connections("tcp"))

        await until(listens_no_more)

    async def reload(self) -> None:
        """Ask the master for a new worker; come back when it has taken over."""
        before = await self.info("Pid")
        # Over the master's socket: a SIGUSR2 that comes while the master still starts is lost.
        await say("reload", socket_path=self.folder / "master.sock")

        async def replaced() -> bool:
            # While one hands over to the other, a connection may reach either.
            return not {before, ""} & {await self.info("Pid") for _ in range(10)}

        await until(replaced)

    async def runtime(self, command: str) -> str:
        """Say a command on the runtime socket and return the whole reply."""
        return await say(command, socket_path=Path(self.environment["HAPROXY_RUNTIME_SOCKET"]))

    async def info(self, name: str) -> str:
        """Return one field of `show info`; empty while nobody answers."""
        try:
            lines = (await self.runtime("show info")).splitlines()
        except ConnectionError:
            return ""
        return next((line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")), "")

    async def touch(self, *names: str, generation: int) -> None:
        """Give the named things a new generation, as a writer does."""
        commands = (f"set table edge_generations key {name} data.gpt0 {generation}" for name in names)
        reply = await self.runtime("; ".join(commands))
        assert reply.strip() == "", reply

    async def state_of(self, server: str) -> str:
        """Return a server's state as the statistics tell it, e.g. `UP`, `NOLB`, `DOWN`."""
        for row in (await self.runtime("show stat")).splitlines():
            cells = row.split(",")
            if cells[:2] == ["api", server]:
                return cells[17]
        raise AssertionError(f"no server {server}")

    async def until(self, server: str, state: str) -> None:
        """Wait until the server's state begins so."""

        async def reached() -> bool:
            return (await self.state_of(server)).startswith(state)

        await until(reached)

    async def raw(self, data: bytes, *, wait: float = 8.0, source: str = "127.0.0.1") -> Raw:
        """Send bytes as they are, and return what comes until the other side closes or the time is over."""
        host, port = self.environment["HAPROXY_BIND"].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
        writer.write(data)
        got = bytearray()
        closed = True
        try:
            async with asyncio.timeout(wait):
                while chunk := await reader.read(65536):
                    got += chunk
        except TimeoutError:
            closed = False
        except ConnectionResetError:
            pass  # closed with our bytes unread
        writer.close()
        return Raw(bytes(got), closed)
