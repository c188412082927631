"""Asks a process whether it is ready; every question has a deadline and a plain yes or no."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

Probe = Callable[[], Awaitable[bool]]

# The supervisor writes this into a log before each start.
START_LINE = "--- started by the stack's supervisor"

_DEADLINE_SECONDS = 2.0


async def converse(port: int, send: bytes, *, enough: Callable[[bytes], bool]) -> bytes:
    """Send bytes to a loopback port and read until `enough`, the end, or the deadline."""
    received = b""
    async with asyncio.timeout(_DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(send)
            await writer.drain()
            while not enough(received):
                chunk = await reader.read(4096)
                if not chunk:
                    break
                received += chunk
        finally:
            writer.close()
    return received


async def _answers(port: int, send: bytes, expected: bytes) -> bool:
    try:
        received = await converse(port, send, enough=lambda so_far: expected in so_far)
    except OSError:  # refused, reset; TimeoutError is one too
        return False
    return expected in received


def redis_pong(port: int) -> Probe:
    """Redis answers PING."""
    return lambda: _answers(port, b"PING\r\n", b"+PONG")


def smtp_greets(port: int) -> Probe:
    """A mail server says 220."""
    return lambda: _answers(port, b"", b"220 ")


def http_answers(port: int, path: str, *, status: int | None = None) -> Probe:
    """An HTTP server answers, with this status where one is given."""
    expected = b"HTTP/1." if status is None else b" %d " % status
    request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()

    async def ask() -> bool:
        try:
            received = await converse(port, request, enough=lambda so_far: b"\r\n" in so_far)
        except OSError:
            return False
        return expected in received.split(b"\r\n", 1)[0]

    return ask


def accepts(port: int) -> Probe:
    """Something accepts connections."""

    async def ask() -> bool:
        try:
            await converse(port, b"", enough=lambda _: True)
        except OSError:
            return False
        return True

    return ask


def log_says(log: Path, text: str) -> Probe:
    """The log has this text since the last start; processes that listen nowhere say so when they are ready."""

    def look() -> bool:
        return log.exists() and text in log.read_text(encoding="utf-8", errors="replace").rpartition(START_LINE)[2]

    async def ask() -> bool:
        return look()

    return ask
