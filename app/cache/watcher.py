"""Follows MongoDB's change stream: invalidates for writes made outside the program and for writers that died.

Writers tell everybody themselves, and then note that they did (`Invalidator.touch`). The watcher gives them a moment,
and spares itself what they noted: to invalidate twice is to fill everything twice.

One replica watches at a time. It writes marks into the database; a mark that comes back through the stream proves that
every change committed before it has been seen, and only then are readers allowed to believe Redis for a while longer.
So nothing that lags, hangs or is cut off can make Redis's old answers count: not the stream, not Redis, not a primary
that was deposed and doesn't know it, not the watcher.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prometheus_client import Counter, Gauge
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from app import clock
from app.cache.commits import Commit
from app.cache.invalidation import GRANT, Invalidator
from app.cache.shared import SharedStore
from app.cache.tags import BOOKS, CATEGORIES, EVERYTHING, SEARCH, SUGGEST, Names, of_sessions
from app.models.cache_grant import CacheGrant
from app.models.search_term import WHOLE
from app.search.vocabulary_feed import FRESH_SECONDS

logger: Final = logging.getLogger("bookstore.cache")

_ROUND: Final = 0.4
"""Seconds between two marks."""

_WRITERS_TURN: Final = 0.1
"""Seconds in which a writer tells everybody of what it committed, unless it died."""

_HOLD: Final = timedelta(seconds=2)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH: Final = 500
GRANTS: Final = "cache_grants"
WORDS: Final = "search_terms"
SESSIONS: Final = "sessions"
_WATCHED: Final = {
    "$or": [
        {"ns.coll": {"$in": [BOOKS, CATEGORIES, GRANTS]}},
        # What takes their place, as `$out` does.
        {"to.coll": {"$in": [BOOKS, CATEGORIES]}},
        # Of the vocabulary only the row that says that all words were counted again.
        {"ns.coll": WORDS, "documentKey._id": WHOLE},
        # Of a session that it ended or got another role; it is refreshed often, and begins unknown to everybody.
        {
            "ns.coll": SESSIONS,
            "operationType": {"$ne": "insert"},
            "updateDescription.updatedFields.refresh_hash": {"$exists": False},
        },
    ]
}
_LISTED: Final = frozenset({BOOKS, SEARCH})
_SAID_IN: Final = {
    SUGGEST: frozenset({"title", "subtitle", "authors", "series", "search", "popularity", "archived_at"}),
    CATEGORIES: frozenset({"categories", "category_path", "archived_at"}),
}
"""Which of a book's fields the answers of a family depend on, where it isn't all of them."""

_NEEDED: Final = {
    "_id": 1, "clusterTime": 1, "lsid": 1, "ns": 1, "operationType": 1, "documentKey": 1, "updateDescription": 1,
    "fullDocument._id": 1, "fullDocument.isbn13": 1, "fullDocument.isbn10": 1,
}  # fmt: skip
"""Of an event; a book's document is long."""

SPARED: Final = Counter(
    "bookstore_cache_spared_total", "Names that the watcher didn't invalidate, since their writer had"
)
BELIEVED: Final = Gauge(
    "bookstore_cache_shared_believed", "1 while this replica, as watcher, lets readers believe Redis"
)


class StreamEndedError(Exception):
    """The server closed the change stream: what it watched was dropped. Whoever holds on sees nothing more."""


class Watcher:
    """The task that every replica runs; the one that holds the row watches."""

    def __init__(
        self, *, name: str, database: AsyncDatabase[dict[str, Any]], shared: SharedStore, invalidator: Invalidator
    ) -> None:
        """Take what it watches and whom it tells."""
        self._holder = f"{name}:{secrets.token_hex(4)}"
        self._database = database
        self._shared = shared
        self._invalidator = invalidator
        self._sent: dict[str, datetime] = {}
        self._missed = 0
        self._made_up_for = 0
        self._owed: Names = frozenset()

    async def run(self) -> None:
        """Watch for as long as the replica lives; every failure is tried again."""
        while True:
            try:
                if await self._hold():
                    await self._watch()
            # Not the driver's errors alone: an event that can't be decoded raises bson's. The next round begins after
            # it, and with everything forgotten. A replica whose watcher is gone would never watch again.
            except* Exception as errors:  # noqa: BLE001  logged, and tried again
                logger.warning("the watcher starts over", extra={"error": repr(errors.exceptions[0])[:200]})
            finally:
                BELIEVED.set(0)
            # A task group that fails while it is cancelled raises its failure alone.
            if (this := asyncio.current_task()) is not None and this.cancelling():
                raise asyncio.CancelledError
            await asyncio.sleep(_ROUND)

    async def _hold(self) -> bool:
        now = clock.now()
        return await CacheGrant.hold(self._holder, now=now, until=now + _HOLD, epoch=_EPOCH)

    async def _watch(self) -> None:
        pipeline: list[dict[str, Any]] = [{"$match": _WATCHED}, {"$project": _NEEDED}]
        async with await self._database.watch(
            pipeline, full_document="updateLookup", max_await_time_ms=int(_ROUND * 1000)
        ) as stream:
            # What happened before the stream was opened is unknown: start with everything forgotten.
            self._sent.clear()
            self._missed += 1
            events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=_BATCH)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_read(stream, events))
                handling = tasks.create_task(self._handle(events, tasks))
                reminding = tasks.create_task(self._remind())
                await self._mark()
                reading.cancel()
                reminding.cancel()
                handling.cancel()
            logger.info("somebody else watches now")

    async def _mark(self) -> None:
        logger.info("watching")
        while True:
            try:
                if not await self._hold():
                    return
                if self._missed > self._made_up_for:
                    await self._make_up()
                else:
                    mark, moment = secrets.token_hex(8), clock.now()
                    self._sent = {known: at for known, at in self._sent.items() if moment - at < GRANT} | {mark: moment}
                    await CacheGrant.write_mark(mark, granted_until=moment + GRANT)
            except PyMongoError as error:
                # The stream outlives an election, and so do we; without marks nobody believes Redis for long.
                logger.info("no mark written", extra={"error": str(error)[:200]})
            await asyncio.sleep(_ROUND)

    async def _make_up(self) -> None:
        missed = self._missed
        if await self._tell(frozenset({EVERYTHING}), cause="made_up"):
            self._made_up_for = missed

    async def _handle(self, events: asyncio.Queue[dict[str, Any]], tasks: asyncio.TaskGroup) -> None:
        while True:
            batch = [await events.get()]
            while not events.empty() and len(batch) < _BATCH:
                batch.append(events.get_nowait())
            names = await self._untold(batch)
            if names and not await self._tell(names, cause="change_stream"):
                self._missed += 1
            if any(event["ns"]["coll"] == WORDS for event in batch):
                tasks.create_task(self._when_words_are_known())
            for event in batch:
                await self._believe(mark_of(event))

    async def _tell(self, names: Names, *, cause: str) -> bool:
        """Return whether Redis confirmed; an edge that didn't is told again, which nobody need wait for."""
        told = await self._invalidator.tell(names, cause=cause)
        if not told.edges:
            self._owed |= names
        return told.shared

    async def _remind(self) -> None:
        while True:
            names, self._owed = self._owed, frozenset()
            if names:
                await self._invalidator.outlast_edges(names)
            await asyncio.sleep(_ROUND)

    async def _untold(self, batch: Sequence[Mapping[str, Any]]) -> Names:
        """Return what the events touch, without what their own writers have told everybody already."""
        touched = [(Commit.of_event(event), touched_by(event)) for event in batch]
        commits = list({commit for commit, names in touched if commit and names})
        told: Mapping[Commit, Names] = {}
        if commits:
            await asyncio.sleep(_WRITERS_TURN)
            told = await self._shared.told(commits)
        untold: set[str] = set()
        for commit, names in touched:
            known = told.get(commit, frozenset()) if commit else frozenset()
            spared = names if EVERYTHING in known else names & known
            SPARED.inc(len(spared))
            untold |= names - spared
        return frozenset(untold)

    async def _when_words_are_known(self) -> None:
        # Until every replica has the new words, searches are still answered, and kept, by the old ones.
        await asyncio.sleep(FRESH_SECONDS + 0.5)
        if not await self._tell(frozenset({SEARCH, SUGGEST}), cause="vocabulary"):
            self._missed += 1

    async def _believe(self, mark: str | None) -> None:
        sent = self._sent.pop(mark, None) if mark else None
        if sent is not None and self._missed == self._made_up_for:
            believed = await self._shared.believe(until=sent + GRANT)
            BELIEVED.set(believed)
            if not believed:
                # No further grants: whoever writes now shall not have to wait them out.
                self._missed += 1


async def _read(stream: AsyncChangeStream[dict[str, Any]], events: asyncio.Queue[dict[str, Any]]) -> None:
    async for event in stream:
        await events.put(event)
    raise StreamEndedError


def mark_of(event: Mapping[str, Any]) -> str | None:
    """Return the mark that this very change wrote; the looked-up document may hold a later one."""
    if event["ns"]["coll"] != GRANTS:
        return None
    changed: dict[str, Any] = (event.get("updateDescription") or {}).get("updatedFields") or {}
    return changed.get("mark")


def touched_by(event: Mapping[str, Any]) -> Names:
    """Return what a change event touches; anything unusual touches everything.

    Unusual is also a replacement: it doesn't say which ISBN the book had before.
    """
    if event["ns"]["coll"] == GRANTS:
        return frozenset()
    if event["ns"]["coll"] == WORDS:
        return frozenset({SEARCH, SUGGEST})
    if event["ns"]["coll"] == SESSIONS and "documentKey" in event:
        return of_sessions([event["documentKey"]["_id"]])
    book = event.get("fullDocument")
    update = event.get("updateDescription")
    of_one_book = event["ns"]["coll"] == BOOKS and event["operationType"] in ("insert", "update")
    changed = _fields_of(update) if update else None
    if not of_one_book or book is None or (changed and changed & {"isbn13", "isbn10"}):
        return frozenset({EVERYTHING})
    own = {name for name in (book["_id"], book.get("isbn13"), book.get("isbn10")) if name}
    families = {family for family, fields in _SAID_IN.items() if changed is None or changed & fields}
    return frozenset(own | families) | _LISTED


def _fields_of(update: Mapping[str, Any]) -> set[str]:
    paths = [
        *(update.get("updatedFields") or ()),
        *(update.get("removedFields") or ()),
        *(array["field"] for array in update.get("truncatedArrays") or ()),
    ]
    return {path.partition(".")[0] for path in paths}
