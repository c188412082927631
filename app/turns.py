"""Lets those of one process who will write the same document go one after another.

MongoDB doesn't queue writers of one document: the second transaction fails at once and starts over. Many at once on one
hot title would spend their time on starting over; in turn, each finds the document free, but for other replicas.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from app.errors import Overloaded


class Turns:
    """Fair queues, by name. A queue is there for as long as somebody stands in it."""

    def __init__(self) -> None:
        """Start with no queue."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def is_taken(self, name: str) -> bool:
        """Tell whether somebody has the turn under this name."""
        lock = self._locks.get(name)
        return lock is not None and lock.locked()

    @asynccontextmanager
    async def of(self, names: Iterable[str], *, seconds: float) -> AsyncIterator[bool]:
        """Wait, so many seconds at most, until it is one's turn under every name; queues are taken in order of names.

        Yields whether one had to wait: what was looked at before may have changed since.

        Raises:
            Overloaded: it wasn't in time; nothing was begun.
        """
        held: list[asyncio.Lock] = []
        waited = False
        try:
            try:
                async with asyncio.timeout(seconds):
                    for name in sorted(set(names)):
                        lock = self._locks.setdefault(name, asyncio.Lock())
                        waited = waited or lock.locked()
                        await lock.acquire()
                        held.append(lock)
            except TimeoutError as error:
                raise Overloaded("Too many want the same at once; try again shortly.") from error
            yield waited
        finally:
            for lock in reversed(held):
                lock.release()
