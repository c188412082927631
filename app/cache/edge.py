"""Changes generations at the edges, so that HAProxy finds none of the answers that it kept under the old ones.

haproxy/README.md describes the protocol.
"""

import asyncio
import secrets
from typing import Final

from app.cache.breaker import Breaker
from app.cache.tags import Names

_PATIENCE_SECONDS: Final = 0.5
_SETTLE_SECONDS: Final = 3
"""A worker of HAProxy keeps nothing for so long after its start: HAPROXY_SETTLE_SECONDS."""

_HANDOVER_SECONDS: Final = _SETTLE_SECONDS + 2
"""A reload is over by then; where workers come and go for longer, none of them confirms anything."""


class Edge:
    """The runtime socket of one HAProxy: a path, or host:port."""

    def __init__(self, address: str) -> None:
        """Take the address; every change opens a connection of its own, since a kept one would outlive a reload."""
        self.address = address
        self._breaker = Breaker(pause=0.5)

    async def renew(self, names: Names) -> bool:
        """Give the names fresh generations; tell whether HAProxy confirmed every one.

        While a reload hands over from one worker to the next, says it again until the new one alone answers.
        """
        if not self._breaker.lets_through:
            return False
        try:
            async with asyncio.timeout(_HANDOVER_SECONDS):
                while True:
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        confirmed, settled = await self._say(names)
                    if settled or not confirmed:
                        break
                    await asyncio.sleep(_PATIENCE_SECONDS)
        except (OSError, TimeoutError):
            self._breaker.failed()
            return False
        self._breaker.succeeded()
        return confirmed

    async def _say(self, names: Names) -> tuple[bool, bool]:
        commands = [f"set table edge_generations key {name} data.gpt0 {secrets.randbits(32) or 1}" for name in names]
        reader, writer = await self.connect()
        try:
            writer.write(";".join([*commands, "show info"]).encode() + b"\n")
            await writer.drain()
            reply = (await reader.read()).decode()
        finally:
            writer.close()
        # An empty line for each name, then the facts; anything else is an error in words.
        said, facts = reply[: len(names)], dict(line.split(": ", 1) for line in reply.splitlines() if ": " in line)
        settled = facts.get("Stopping") == "0" and int(facts.get("Uptime_sec", 0)) >= _SETTLE_SECONDS
        return said == "\n" * len(names) and bool(facts), settled

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to the socket."""
        if "/" in self.address:
            return await asyncio.open_unix_connection(self.address)
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))
