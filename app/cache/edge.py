"""Changes generations at the edges, so that HAProxy finds none of the answers that it kept under the old ones."""

import asyncio
import secrets
from typing import Final

from app.cache.breaker import Breaker
from app.cache.tags import Names

_PATIENCE_SECONDS: Final = 0.5


class Edge:
    """The runtime socket of one HAProxy: a path, or host:port."""

    def __init__(self, address: str) -> None:
        """Take the address; every change opens a connection of its own."""
        self.address = address
        self._breaker = Breaker(pause=0.5)

    async def renew(self, names: Names) -> bool:
        """Give the names fresh generations; tell whether HAProxy confirmed every one."""
        if not self._breaker.lets_through:
            return False
        commands = (f"set table edge_generations key {name} data.gpt0 {secrets.randbits(32) | 1}" for name in names)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                reply = await self._say(";".join(commands))
        except (OSError, TimeoutError):
            self._breaker.failed()
            return False
        self._breaker.succeeded()
        return not reply.strip()

    async def _say(self, line: str) -> bytes:
        if "/" in self.address:
            reader, writer = await asyncio.open_unix_connection(self.address)
        else:
            host, _, port = self.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(line.encode() + b"\n")
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()
