"""Sends HTTP/1.1 requests over kept connections, cheaply enough to measure a server from its own machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import httptools


class Lost(Exception):
    """The connection was refused, or ended before the whole answer had come: what became of the request is unknown."""


@dataclass(frozen=True)
class Reply:
    """A complete answer; the headers' names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange:
    """Keep-alive connections to one server. Use as an async context manager."""

    def __init__(self, host: str, port: int, *, headers: Mapping[str, str] | None = None) -> None:
        """Take the server's address, and headers that go with every request."""
        self._host, self._port = host, port
        self._always = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"{host}:{port}"}.items())
        self._always += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        """Connect when first asked."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports close in the loop's next round

    async def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        seconds: float = 15.0,
    ) -> Reply:
        """Send one request and return its whole answer.

        Raises:
            Lost: the connection failed.
            TimeoutError: no answer within so many seconds.
        """
        head = f"{method} {target} HTTP/1.1\r\n{self._always}"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if body or method not in {"GET", "HEAD"}:
            head += f"Content-Length: {len(body)}\r\n"
        async with asyncio.timeout(seconds):
            connection = await self._connection()
            try:
                reply = await connection.ask(head.encode() + b"\r\n" + body)
            except BaseException:
                connection.close()
                raise
        if connection.usable:
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, self._host, self._port)
        except OSError as error:
            raise Lost(str(error)) from error
        return connection


@dataclass
class _Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer = _Answer()
        self.usable = True

    async def ask(self, request: bytes) -> Reply:
        assert self._transport is not None
        self._parser, self._answer = httptools.HttpResponseParser(self), _Answer()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not an HTTP answer: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc or "closed before the answer"))

    def _fail(self, reason: str) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Lost(reason))

    # The parser's callbacks.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._answer.body.append(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        assert self._waiting is not None
        parser, self._parser = self._parser, None
        self.usable = self.usable and parser.should_keep_alive()
        if not self._waiting.done():
            answer = self._answer
            self._waiting.set_result(Reply(parser.get_status_code(), answer.headers, b"".join(answer.body)))
