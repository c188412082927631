"""Makes a committed change visible everywhere before its writer answers."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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

_AGAIN_SECONDS: Final = 0.3

CLOCK_ERROR: Final = timedelta(milliseconds=250)
"""By how much the clocks of the replicas, of Redis and of the watcher may differ."""

INVALIDATIONS: Final = Counter("bookstore_cache_invalidations_total", "Names invalidated", ["cause"])
WAITED: Final = Histogram(
    "bookstore_cache_writer_wait_seconds",
    "How long a writer waited between its commit and its answer",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)


@dataclass(frozen=True)
class Told:
    """Which level confirmed: Redis, and all of the edges."""

    shared: bool
    edges: bool


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
        try:
            await self._touch(together(names), cause, commit)
        finally:
            # The longest waits are those that the request's deadline cuts off.
            WAITED.observe(clock.monotonic() - started)

    async def _touch(self, told: Names, cause: str, commit: Commit | None) -> None:
        INVALIDATIONS.labels(cause).inc(len(told))
        forgotten = await self._shared.forget(told)
        if not forgotten:
            await self._outlast_shared()
        confirmed = await self.outlast_edges(told)
        if commit and forgotten and confirmed:
            await self._shared.note_told(commit, told)

    async def tell(self, names: Names, *, cause: str) -> Told:
        """Tell both levels without waiting anybody out."""
        told = together(names)
        INVALIDATIONS.labels(cause).inc(len(told))
        shared = await self._shared.forget(told)
        return Told(shared=shared, edges=not await self._unconfirmed(self._edges, at_edges(told)))

    async def outlast_edges(self, names: Names) -> bool:
        """Tell the edges again and again until each confirmed, or until what it holds has run out.

        Return whether all confirmed.
        """
        kept_there, edges = at_edges(together(names)), self._edges
        try:
            async with asyncio.timeout(EDGE_LEASE.total_seconds()):
                while edges := await self._unconfirmed(edges, kept_there):
                    logger.warning("an edge did not confirm; telling it again until its answers have run out")
                    await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError:
            return False
        return True

    @staticmethod
    async def _unconfirmed(edges: Sequence[Edge], names: Names) -> Sequence[Edge]:
        if not names:
            return ()
        confirmed = await asyncio.gather(*(edge.renew(names) for edge in edges))
        return [edge for edge, done in zip(edges, confirmed, strict=True) if not done]

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
