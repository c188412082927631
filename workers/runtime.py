"""Runs the program's coroutines in Celery's processes: one event loop, one database client and one till per process."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.database import Database
from app.idempotency import Writer
from app.payments.stripe_gateway import gateway_of
from app.payments.till import Till
from app.settings import Settings

T = TypeVar("T")


class Runtime:
    """An event loop in a thread of its own, with the database open on it."""

    def __init__(self, settings: Settings) -> None:
        """Start the thread and open the database."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runtime", daemon=True)
        self._thread.start()
        self.database, self.till = self._wait(self._open(settings))

    def run(self, use_case: Callable[[Database], Awaitable[T]]) -> T:
        """Run a use case on the loop and return what it returns."""

        async def call() -> T:
            return await use_case(self.database)

        return self._wait(call())

    def close(self) -> None:
        """Hang up, close the database and end the thread."""
        self._wait(self.till.gateway.aclose())
        self._wait(self._shared.aclose())
        self._wait(self.database.client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self, settings: Settings) -> tuple[Database, Till]:
        database = await Database(settings).__aenter__()
        self._shared = SharedStore(settings.cache_url.get_secret_value())
        writer = Writer(database, Invalidator.of(settings, self._shared))
        return database, Till(writer, gateway_of(settings))

    def _wait(self, awaitable: Awaitable[T]) -> T:
        async def wrapped() -> T:
            return await awaitable

        future: Future[T] = asyncio.run_coroutine_threadsafe(wrapped(), self._loop)
        try:
            return future.result()
        except BaseException:
            # A task that is out of time: what nobody waits for would run on beside the next one.
            future.cancel()
            raise


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
    return _own().run(use_case)


def till() -> Till:
    """Return what this process moves money and changes the catalogue with.

    Raises:
        RuntimeError: outside a worker process.
    """
    return _own().till


def _own() -> Runtime:
    if _runtime is None:
        raise RuntimeError("tasks run in Celery's worker processes only")
    return _runtime
