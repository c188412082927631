"""Writes records in batches: a book, its stock and the movement that brought it, all of them or none."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from app import clock
from app.database import Database, as_domain_error
from app.errors import DeadlineExceeded, DependencyUnavailable
from app.importing import documents
from app.importing.records import BookRecord, Note, Row, RowFailure
from app.importing.shelves import Overtaken, Placement, Shelves, UnusableCategory
from app.models.book import Book
from app.models.inventory import Inventory, StockMovement

PATIENCE_SECONDS: Final = 120.0
"""How long a batch waits for the database to come back, through an election and more."""

_RETRIES_ON_CONFLICT: Final = 3
_DUPLICATE_KEY: Final = 11000


class Verdict(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What became of the row at this line, and why."""

    line: int
    verdict: Verdict
    book_id: str | None = None
    code: str | None = None
    detail: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    verdicts: list[RowVerdict]
    books: list[documents.Stored]
    stocks: list[documents.Stored]
    movements: list[documents.Stored]
    updates: list[tuple[str, Any, documents.Stored]]


AfterCommit = Callable[[Sequence[str]], Awaitable[None]]
"""Called with the ids of the books that a committed batch made or changed: the place to invalidate caches."""


class BatchWriter:
    """Writes batches of rows, each once, however often it is asked to."""

    def __init__(self, database: Database, shelves: Shelves, *, dry_run: bool, after_commit: AfterCommit) -> None:
        """Write here; a dry run compares and writes nothing."""
        self._database = database
        self._shelves = shelves
        self._dry_run = dry_run
        self._after_commit = after_commit

    async def write(self, rows: Sequence[Row]) -> list[RowVerdict]:
        """Bring the catalogue to what the rows say; return a verdict for each, in order.

        Writing the same rows again changes nothing. Waits for a database that is away for a while.

        Raises:
            DependencyUnavailable, DeadlineExceeded: the database stayed away; some rows may be written.
        """
        refused = [
            RowVerdict(r.line, Verdict.FAILED, None, r.code, r.detail, r.notes)
            for r in rows
            if isinstance(r, RowFailure)
        ]
        written = await self._write([row for row in rows if isinstance(row, BookRecord)], {})
        return sorted(refused + written, key=lambda verdict: verdict.line)

    async def _write(self, records: Sequence[BookRecord], done: dict[str, RowVerdict]) -> list[RowVerdict]:
        """Plan and commit; `done` keeps what earlier tries may have committed although their answer was lost."""
        conflicts = 0
        give_up_at = clock.monotonic() + PATIENCE_SECONDS
        while records:
            try:
                plan = await self._plan(records, done)
                if self._dry_run or not (plan.books or plan.updates):
                    if done:
                        # Committed by an earlier try, whose answer was lost.
                        await self._after_commit([verdict.book_id for verdict in done.values() if verdict.book_id])
                    return plan.verdicts
                done |= {
                    record.source: verdict
                    for record, verdict in zip(records, plan.verdicts, strict=True)
                    if verdict.verdict in {Verdict.CREATED, Verdict.UPDATED}
                }
                await self._commit(plan)
            except (DependencyUnavailable, DeadlineExceeded):
                if clock.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311  # jitter
            except (Overtaken, DuplicateKeyError) as error:
                conflicts += 1
                if conflicts > _RETRIES_ON_CONFLICT:
                    return await self._in_halves(records, done, error)
            else:
                await self._after_commit([book["_id"] for book in plan.books] + [update[0] for update in plan.updates])
                return plan.verdicts
        return []

    async def _in_halves(
        self, records: Sequence[BookRecord], done: dict[str, RowVerdict], error: Exception
    ) -> list[RowVerdict]:
        """Find the row that doesn't go in, and write the others."""
        if len(records) == 1:
            detail = (
                "Another writer keeps changing this book or its categories."
                if isinstance(error, Overtaken)
                else "A unique value is taken."
            )
            return [_failure(records[0], "conflict", detail)]
        middle = len(records) // 2
        return await self._write(records[:middle], done) + await self._write(records[middle:], done)

    async def _placed(self, records: Sequence[BookRecord]) -> list[tuple[BookRecord, documents.Stored | None, str]]:
        """Return each record with the facts that it tells, or with why its categories can't be."""
        if any(record.categories for record in records):
            await self._shelves.load()  # staff rename, move and delete categories while an import runs
        placed: list[tuple[BookRecord, documents.Stored | None, str]] = []
        for record in records:
            try:
                placement = await self._shelves.place(record.categories) if record.categories else _NOWHERE
                placed.append((record, documents.facts_of(record, placement), ""))
            except UnusableCategory as error:
                placed.append((record, None, str(error)))
        return placed

    async def _plan(self, records: Sequence[BookRecord], done: dict[str, RowVerdict]) -> _Plan:
        try:
            facts = await self._placed(records)
            existing = await _by("source", [record.source for record in records], documents.FACT_FIELDS)
            wanted = [record.isbn13 for record in records if record.isbn13 is not None]
            holders = await _by("isbn13", wanted, {"isbn13": 1, "source": 1})
        except PyMongoError as error:
            raise as_domain_error(error) from error
        plan = _Plan([], [], [], [], [])
        moment = clock.now()
        for record, said, refusal in facts:
            book = existing.get(record.source)
            holder = holders.get(record.isbn13 or "")
            if said is None:
                plan.verdicts.append(_failure(record, "category_invalid", refusal))
            elif holder is not None and (book is None or holder["_id"] != book["_id"]):
                detail = f"The ISBN {record.isbn13} belongs to the book {holder['_id']}."
                plan.verdicts.append(_failure(record, "isbn_taken", detail))
            elif book is None:
                made = documents.new_book(record, said, at=moment)
                plan.books.append(made)
                plan.stocks.append(documents.new_inventory(made, record.offer.stock))
                if record.offer.stock:
                    plan.movements.append(documents.new_movement(made, record.offer.stock))
                book_id = None if self._dry_run else made["_id"]
                plan.verdicts.append(RowVerdict(record.line, Verdict.CREATED, book_id, notes=record.notes))
            elif change := documents.changes(book, said, at=moment):
                plan.updates.append((book["_id"], book["updated_at"], change))
                detail = ", ".join(sorted(set(change) & set(said)))
                plan.verdicts.append(RowVerdict(record.line, Verdict.UPDATED, book["_id"], None, detail, record.notes))
            else:
                earlier = done.get(record.source)
                unchanged = RowVerdict(record.line, Verdict.UNCHANGED, book["_id"], notes=record.notes)
                mine = earlier is not None and earlier.book_id == book["_id"]
                plan.verdicts.append(earlier if earlier is not None and mine else unchanged)
        return plan

    async def _commit(self, plan: _Plan) -> None:
        books, stocks, movements = (model.get_pymongo_collection() for model in (Book, Inventory, StockMovement))
        updates = [
            UpdateOne({"_id": book_id, "updated_at": seen_at}, {"$set": change})
            for book_id, seen_at, change in plan.updates
        ]

        async def work(session: AsyncClientSession) -> None:
            try:
                if plan.books:
                    await books.insert_many(plan.books, session=session)
                    await stocks.insert_many(plan.stocks, session=session)
                if plan.movements:
                    await movements.insert_many(plan.movements, session=session)
                if updates:
                    result = await books.bulk_write(updates, session=session)
                    if result.matched_count < len(updates):
                        raise Overtaken
            except BulkWriteError as error:
                codes = {problem.get("code") for problem in (error.details or {}).get("writeErrors", [])}
                if codes == {_DUPLICATE_KEY}:
                    raise DuplicateKeyError(str(error), _DUPLICATE_KEY, error.details) from error
                raise

        await self._database.run_in_transaction(work)


_NOWHERE: Final = Placement([], [])


async def _by(field: str, values: Sequence[str], projection: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Return the books with these values in a unique field, archived ones included, by value."""
    if not values:
        return {}
    cursor = Book.get_pymongo_collection().find({field: {"$in": list(values)}}, projection)
    return {document[field]: document async for document in cursor}


def _failure(record: BookRecord, code: str, detail: str) -> RowVerdict:
    return RowVerdict(record.line, Verdict.FAILED, None, code, detail, record.notes)
