"""Imports the rows of a source: the use case behind the command line."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from pymongo.errors import PyMongoError

from app.database import Database, as_domain_error
from app.importing.batches import AfterCommit, BatchWriter, RowVerdict, Verdict
from app.importing.records import Row, RowSource
from app.importing.shelves import Shelves
from app.models.book import Book
from app.models.search_term import SearchTerm

BATCH_ROWS: Final = 500
_BATCHES_IN_FLIGHT: Final = 2


@dataclass(slots=True)
class Tally:
    """How many rows met each verdict, each repair and each reason to fail."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, row: RowVerdict) -> None:
        """Count a row."""
        self.verdicts[row.verdict] += 1
        self.notes.update(note.code for note in row.notes)
        if row.code is not None:
            self.failures[row.code] += 1

    @property
    def rows(self) -> int:
        """All rows counted."""
        return self.verdicts.total()


async def _leave_caches(_book_ids: Sequence[str]) -> None:
    """Rely on the change stream to invalidate what was cached of these books."""


async def import_rows(
    database: Database,
    rows: RowSource,
    *,
    dry_run: bool = False,
    after_commit: AfterCommit = _leave_caches,
) -> AsyncIterator[RowVerdict]:
    """Bring the catalogue to what the rows say, and yield a verdict for each row, in order.

    Every batch commits by itself: after a crash, importing again goes on where it stopped. Rows that are there already
    are unchanged. Stock is never touched after a book was made, archived books stay archived, and nothing that the rows
    don't speak of is emptied. A dry run compares and writes nothing.

    Raises:
        WrongFile: the source as a whole can't be read.
        OSError: the disk failed half-way.
        DependencyUnavailable, DeadlineExceeded: the database stayed away for two minutes.
    """
    shelves = Shelves(database, dry_run=dry_run)
    try:
        await shelves.load()
    except PyMongoError as error:
        raise as_domain_error(error) from error
    writer = BatchWriter(database, shelves, dry_run=dry_run, after_commit=after_commit)
    waiting: deque[asyncio.Task[list[RowVerdict]]] = deque()
    try:
        for batch in _batches(rows):
            waiting.append(asyncio.create_task(writer.write(batch)))
            if len(waiting) >= _BATCHES_IN_FLIGHT:
                for verdict in await waiting.popleft():
                    yield verdict
            else:
                await asyncio.sleep(0)  # lets the batch start while the next one is read
        while waiting:
            for verdict in await waiting.popleft():
                yield verdict
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def has_books() -> bool:
    """Whether the shop has a book, be it an archived one.

    Raises:
        DependencyUnavailable, DeadlineExceeded: the database doesn't say.
    """
    try:
        return await Book.find_one() is not None
    except PyMongoError as error:
        raise as_domain_error(error) from error


async def finish_import(tally: Tally) -> None:
    """Count the words of the catalogue anew where books came or changed, so that search corrects to them.

    Run twice, it says the same; after a crash before it, the next import or the regular count makes up for it.
    """
    if not (tally.verdicts[Verdict.CREATED] or tally.verdicts[Verdict.UPDATED]):
        return
    try:
        await SearchTerm.recount()
    except PyMongoError as error:
        raise as_domain_error(error) from error


def _batches(rows: RowSource) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        yield batch
