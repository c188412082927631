"""Runs the program's coroutines in Celery's processes: one event loop and one database client per process."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

from app.database import Database
from app.settings import Settings

T = TypeVar("T")


class Runtime:
    """An event loop in a thread of its own, with the database open on it."""

    def __init__(self, settings: Settings) -> None:
        """Start the thread and open the database."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runtime", daemon=True)
        self._thread.start()
        self.database = self._wait(self._open(settings))

    def run(self, use_case: Callable[[Database], Awaitable[T]]) -> T:
        """Run a use case on the loop and return what it returns."""

        async def call() -> T:
            return await use_case(self.database)

        return self._wait(call())

    def close(self) -> None:
        """Close the database and end the thread."""
        self._wait(self.database.client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @staticmethod
    async def _open(settings: Settings) -> Database:
        return await Database(settings).__aenter__()

    def _wait(self, awaitable: Awaitable[T]) -> T:
        async def wrapped() -> T:
            return await awaitable

        future: Future[T] = asyncio.run_coroutine_threadsafe(wrapped(), self._loop)
        return future.result()


_runtime: Runtime | None = None


def start(settings: Settings) -> None:
    """Make this process's runtime."""
    global _runtime  # noqa: PLW0603  # Celery's processes have no other place that lives as long as they do
    _runtime = Runtime(settings)


def stop() -> None:
    """Close this process's runtime."""
    if _runtime is not None:
        _runtime.close()


def run(use_case: Callable[[Database], Awaitable[T]]) -> T:
    """Run a use case in this process's runtime.

    Raises:
        RuntimeError: outside a worker process.
    """
    if _runtime is None:
        raise RuntimeError("tasks run in Celery's worker processes only")
    return _runtime.run(use_case)
