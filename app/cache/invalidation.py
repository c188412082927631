"""Makes a committed change visible everywhere before its writer answers."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Histogram
from pymongo.errors import PyMongoError

from app import clock
from app.cache.commits import Commit
from app.cache.edge import Edge
from app.cache.shared import SharedStore
from app.cache.tags import Names, at_edges, together
from app.models.cache_grant import CacheGrant
from app.settings import Settings

logger: Final = logging.getLogger("bookstore.cache")

EDGE_MAX_AGE_SECONDS: Final = 4
"""How long HAProxy keeps an answer."""

EDGE_LEASE: Final = timedelta(seconds=EDGE_MAX_AGE_SECONDS + 2)
"""How long HAProxy may give an answer away after it was begun: a second to make it, and it counts whole seconds."""

CLOCK_ERROR: Final = timedelta(milliseconds=250)
"""By how much the clocks of the replicas, of Redis and of the watcher may differ."""

INVALIDATIONS: Final = Counter("bookstore_cache_invalidations_total", "Names invalidated", ["cause"])
WAITED: Final = Histogram(
    "bookstore_cache_writer_wait_seconds",
    "How long a writer waited between its commit and its answer",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)


class Invalidator:
    """Tells Redis and every edge what changed, and waits out those that don't confirm."""

    def __init__(self, *, shared: SharedStore, edges: Sequence[Edge]) -> None:
        """Take the two levels of the cache."""
        self._shared = shared
        self._edges = edges

    @classmethod
    def of(cls, settings: Settings, shared: SharedStore) -> "Invalidator":
        """Return one that tells this store and the edges that the settings name."""
        return cls(shared=shared, edges=[Edge(address) for address in settings.edges])

    async def touch(self, names: Names, *, cause: str = "write", commit: Commit | None = None) -> None:
        """Return when nobody can be given an answer any more that was made before this call.

        Of a commit whose touch was confirmed by all, the watcher hears that it needn't be told once more.

        Redis comes first: an edge that is told to forget would otherwise be filled again from what Redis still holds.
        Where a level can't be reached, waits until what it holds has run out (leases: Gray & Cheriton, SOSP 1989).
        """
        if not names:
            return
        started = clock.monotonic()
        told = together(names)
        INVALIDATIONS.labels(cause).inc(len(told))
        forgotten = await self._shared.forget(told)
        if not forgotten:
            await self._outlast_shared()
        confirmed = all(await self._tell_edges(told))
        if not confirmed:
            logger.warning("an edge did not confirm; waiting for its answers to run out")
            await asyncio.sleep(EDGE_LEASE.total_seconds())
        if commit and forgotten and confirmed:
            await self._shared.note_told(commit, told)
        WAITED.observe(clock.monotonic() - started)

    async def tell(self, names: Names, *, cause: str) -> bool:
        """Tell both levels without waiting anybody out; return whether Redis confirmed."""
        told = together(names)
        INVALIDATIONS.labels(cause).inc(len(told))
        confirmed = await self._shared.forget(told)
        await self._tell_edges(told)
        return confirmed

    async def _tell_edges(self, names: Names) -> list[bool]:
        kept_there = at_edges(names)
        return await asyncio.gather(*(edge.renew(kept_there) for edge in self._edges if kept_there))

    async def _outlast_shared(self) -> None:
        # The watcher promises in MongoDB, before it lets anybody believe Redis, for how long; and it makes no further
        # promise before it has read in the change stream what we committed.
        try:
            until = await CacheGrant.until()
        except PyMongoError:
            until = clock.now() + GRANT
        if until is None:
            return
        left = until - clock.now() + CLOCK_ERROR
        if left > timedelta(0):
            logger.warning(
                "Redis did not confirm; waiting until nobody believes it",
                extra={"ms": left / timedelta(milliseconds=1)},
            )
            await asyncio.sleep(left.total_seconds())


GRANT: Final = timedelta(seconds=3)
"""For how long the watcher lets readers believe Redis at a time."""
