"""A scripted HTTP/1.1 server that stands where a replica would: it answers as told, badly where told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Seen:
    """A request as it arrived here."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to say; `close_instead` says nothing and hangs up."""

    status: int = 200
    body: bytes = b'{"hello":"world"}'
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    after: float = 0.0
    close_instead: bool = False


Script = Callable[[Seen], Awaitable[Answer]]


def catalogue(body: bytes = b'{"id":"bk_1"}', *, etag: str = '"one"', after: float = 0.0, **headers: str) -> Answer:
    """Return an answer as the API gives it on public catalogue paths."""
    fields = {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=0, must-revalidate",
        "CDN-Cache-Control": "max-age=4",
        "Cache-Status": "bookstore; fwd=uri-miss; stored",
        "ETag": etag,
        "Vary": "Accept-Encoding",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body=body, headers=fields, after=after)


class Origin:
    """The server; `script` decides each answer, `seen` remembers each request that isn't a health check."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.checks: list[Seen] = []
        self.ready = 200
        self.hung = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def script(self, seen: Seen) -> Answer:  # noqa: ARG002 - replaced by tests that look at it
        """Answer 200 to everything, unless a test puts another script here."""
        return Answer()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before where it was stopped."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and hang up on those that are open."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side may hang up whenever it likes
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:size]
            await reader.readline()
        seen = Seen(method, target, headers, body)
        if target.startswith("/readyz"):
            self.checks.append(seen)
            answer = Answer(status=self.ready, after=30 if self.hung else 0)
        else:
            self.seen.append(seen)
            answer = await self.script(seen)
        if answer.after:
            await asyncio.sleep(answer.after)
        if answer.close_instead:
            return False
        lines = [f"HTTP/1.1 {answer.status} Said", f"Content-Length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else answer.body))
        await writer.drain()
        return True
