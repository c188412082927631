"""Lets one caller do the work that many wait for (single flight), and nobody get an answer begun too early."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """At most one run per key; who comes during a run shares the next one.

    A run that began before a caller came may have read what a write has replaced since: joining it could be a stale
    read. The run after it can't.
    """

    def __init__(self) -> None:
        """Start with nothing in the air."""
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]], *, running_will_do: bool = False) -> T:
        """Return what a run of the work gave that began after this call.

        `running_will_do` says that the caller knows a run under this key to be fresh enough.

        Raises:
            Exception: what the run raised.
        """
        running = self._running.get(key)
        if running is None:
            task = self._start(key, work)
        elif running_will_do:
            task = running
        else:
            waiting = self._next.get(key)
            if waiting is None:
                waiting = asyncio.create_task(self._after(running, key, work))
                self._next[key] = waiting
            task = waiting
        # A caller that gives up must not take the others' run with it.
        return await asyncio.shield(task)

    def _start(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        task = asyncio.create_task(_run(work))
        self._running[key] = task
        task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def _after(self, running: asyncio.Task[T], key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        await asyncio.wait([running])
        self._next.pop(key, None)
        return await self._start(key, work)

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; where all gave up, nobody needs a warning


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
