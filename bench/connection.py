"""Speaks just enough HTTP/1.1 to measure a server: a client library would cost more than what is measured."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """What came back; `head` is the status line and the headers as they came."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value, empty where it isn't there."""
        return _header(self.head, name)


class Connection:
    """A keep-alive connection, opened when first used."""

    def __init__(self, url: str) -> None:
        """Take the server's address."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body."""
        reply = await self.ask("GET", path)
        return reply.status, reply.body

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        """Send a request, and return the answer, which says its length.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 22)
        reader, writer = self._streams
        fields = {"Host": self._host, **(headers or {}), **({"Content-Length": str(len(body))} if body else {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        return Reply(int(head[9:12]), head, await reader.readexactly(int(_header(head, "Content-Length"))))

    async def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()


def _header(head: str, name: str) -> str:
    for line in head.splitlines()[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""
