"""Lets only so many of one process work at once; the others wait in line, but not longer than is worth while.

What more are begun at once than can be finished doesn't get done sooner: everything takes longer, in the end too long
for who waits for it, and is done for nobody. Who is refused before anything began may come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import Overloaded


class Places:
    """So many places, and a fair line before them."""

    def __init__(self, count: int) -> None:
        """Start with all of them free."""
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def one(self, *, patience: float) -> AsyncIterator[None]:
        """Hold a place, as soon as one is free; stand in line for so many seconds at most.

        Raises:
            Overloaded: none was in time; nothing was begun.
        """
        try:
            async with asyncio.timeout(patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise Overloaded("Too many requests at once; try again shortly.") from error
        try:
            yield
        finally:
            self._free.release()
