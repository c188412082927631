"""Keeps this process's snapshot of the vocabulary in step with the database."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.errors import PyMongoError

from app import clock
from app.cache.flights import Flights
from app.models.search_term import WHOLE, SearchTerm
from app.search.vocabulary import Vocabulary

log = logging.getLogger(__name__)

MAX_WORDS: Final = 400_000
"""Of a larger vocabulary the rarest words are found as typed, but nothing is corrected to them: some 35 MB."""

FRESH_SECONDS: Final = 1.0
"""A process that is searched reads the last words as often as this, and at once when there are others."""

_PATIENCE_SECONDS: Final = 0.25
_OVERLAP: Final = timedelta(seconds=15)
"""A word's row carries the time before its transaction committed, by another machine's clock."""


class VocabularyFeed:
    """The vocabulary with every word that was committed before it was asked for; an idle process asks nothing.

    Words that a count found, or let go, are known within a second: they change what is corrected, not what is found.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._words: Vocabulary | None = None
        self._loading = asyncio.Lock()
        self._freshening: asyncio.Task[None] | None = None
        self._checked = 0.0
        self._seen = datetime.min.replace(tzinfo=UTC)
        self._counted: datetime | None = None
        self._read_from = self._seen
        self._read = 0
        self._looks: Flights[None] = Flights()

    async def current(self) -> Vocabulary:
        """Return the snapshot.

        A large vocabulary takes seconds to load anew, after a count: then the one before answers meanwhile.

        Raises:
            PyMongoError: there is no snapshot yet, and no database to take it from.
        """
        if self._words is None:
            async with self._loading:
                return self._words or await self._load()
        # A new book's words belong to the next answer, which may be kept: a look that began earlier won't do.
        await self._looks.join("news", self._look)
        if self._freshening is not None and not self._freshening.done():
            await asyncio.wait([self._freshening], timeout=_PATIENCE_SECONDS)
        return self._words

    def start(self) -> None:
        """Load the first snapshot in the background, so that the first search needn't wait for it."""
        self._freshening = asyncio.create_task(self._warm())

    async def aclose(self) -> None:
        """Stop fetching."""
        if self._freshening is not None:
            self._freshening.cancel()
            await asyncio.gather(self._freshening, return_exceptions=True)

    async def _warm(self) -> None:
        try:
            await self.current()
        except PyMongoError as error:
            log.warning("The vocabulary isn't loaded yet; the first search does it", exc_info=error)

    async def _load(self) -> Vocabulary:
        now = clock.now()
        books, self._counted = await SearchTerm.counted()
        frequencies: dict[str, int] = {}
        async for batch in SearchTerm.in_order(at_most=MAX_WORDS):
            frequencies.update(batch)
        self._words = Vocabulary(frequencies, books=books, in_order=list(frequencies))
        self._seen = now
        self._read_from, self._read = now - _OVERLAP, 0
        self._checked = clock.monotonic()
        return self._words

    async def _look(self) -> None:
        due = clock.monotonic() - self._checked >= FRESH_SECONDS
        try:
            if due or await SearchTerm.count_added_since(self._read_from) != self._read:
                await self._freshen()
        except PyMongoError as error:
            log.warning("The vocabulary is as it was a while ago", exc_info=error)

    async def _freshen(self) -> None:
        self._checked, begun = clock.monotonic(), clock.now()
        since = self._seen - _OVERLAP
        added = await SearchTerm.added_since(since)
        if self._words is not None:
            self._words.add({word: df for word, df, _ in added if word != WHOLE})
            self._seen = begun
            self._read_from, self._read = since, len(added)
        counted_anew = any(word == WHOLE and moment != self._counted for word, _, moment in added)
        if counted_anew and (self._freshening is None or self._freshening.done()):
            self._freshening = asyncio.create_task(self._load_again())

    async def _load_again(self) -> None:
        try:
            await self._load()
        except PyMongoError as error:
            log.warning("The vocabulary is as it was a while ago", exc_info=error)
