"""Keeps the words that name books, with how many books each names: what typing mistakes are corrected to."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final

import pymongo
from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.models.book import LIVE, Book, SearchFields

WHOLE: Final = ""
"""The id of the row about the vocabulary itself: how many books were counted, and when."""

_BATCH: Final = 2_000
_COUNTING_SECONDS: Final = 1_800
"""`pymongo.timeout(None)` would mean the client's own, which is for requests."""

_SETTLED: Final = timedelta(minutes=5)
"""A word this old that a count doesn't meet any more belongs to no book: its transaction has long ended."""


class SearchTerm(Document):
    """A word of titles, subtitles, series and authors' names; `df` is as old as the last count."""

    id: str  # type: ignore[assignment]  # Beanie's own is optional; a word is its own id
    df: Annotated[int, Field(description="Document frequency: how many live books it names")] = 1
    added_at: datetime

    class Settings:
        """How it is stored."""

        name = "search_terms"

    INDEXES: ClassVar[list[IndexModel]] = [IndexModel([("added_at", ASCENDING)])]

    @classmethod
    async def note(cls, fields: SearchFields, *, session: AsyncClientSession | None = None) -> None:
        """Add the words that name a book where they're missing; the others aren't touched, however hot they are."""
        words = fields.terms[: fields.named]
        collection = cls.get_pymongo_collection()
        found = collection.find({"_id": {"$in": words}}, {"_id": 1}, session=session)
        present = {row["_id"] async for row in found}
        now = clock.now()
        missing = [{"_id": word, "df": 1, "added_at": now} for word in words if word not in present]
        if missing:
            await collection.insert_many(missing, ordered=False, session=session)

    @classmethod
    async def in_order(cls, *, at_most: int) -> AsyncIterator[Sequence[tuple[str, int]]]:
        """Yield the words in order with their document frequencies, in batches; of too many, the rarest stay out."""
        collection = cls.get_pymongo_collection()
        query: dict[str, Any] = {"_id": {"$gt": WHOLE}}
        if await collection.estimated_document_count() > at_most:
            edge = collection.find(query, {"df": 1}).sort("df", -1).skip(at_most).limit(1)
            query["df"] = {"$gt": max([row["df"] async for row in edge], default=0)}
        batch: list[tuple[str, int]] = []
        async for row in collection.find(query, {"df": 1}, batch_size=_BATCH).sort("_id", 1):
            batch.append((row["_id"], row["df"]))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    @classmethod
    async def added_since(cls, moment: datetime) -> list[tuple[str, int, datetime]]:
        """Return what was added since: word, document frequency, when; `WHOLE` is among them after a count."""
        cursor = cls.get_pymongo_collection().find({"added_at": {"$gte": moment}}, {"df": 1, "added_at": 1})
        return [(row["_id"], row["df"], row["added_at"]) async for row in cursor]

    @classmethod
    async def count_added_since(cls, moment: datetime) -> int:
        """Return how many rows `added_since` would: a look at the index alone."""
        return await cls.get_pymongo_collection().count_documents({"added_at": {"$gte": moment}}, hint="added_at_1")

    @classmethod
    async def counted(cls) -> tuple[int, datetime | None]:
        """Return how many books the last count met, and when that was."""
        row = await cls.get_pymongo_collection().find_one({"_id": WHOLE})
        if row is None:
            return await Book.get_pymongo_collection().estimated_document_count(), None
        return row["df"], row["added_at"]

    @classmethod
    async def recount(cls) -> int:
        """Count anew how many live books each word names; return how many books there are.

        Reads and writes for as long as it takes, so it belongs in a background job. Run twice, it says the same; of
        several at once none forgets what another counted.
        """
        books, words = Book.get_pymongo_collection(), cls.get_pymongo_collection()
        started = clock.now()
        pipeline: list[dict[str, Any]] = [
            {"$match": {**LIVE, "search.named": {"$gt": 0}}},
            {"$project": {"word": {"$slice": ["$search.terms", "$search.named"]}}},
            {"$unwind": "$word"},
            {"$group": {"_id": "$word", "df": {"$sum": 1}}},
            {"$set": {"added_at": started, "counted_at": started}},
            {
                "$merge": {
                    "into": words.name,
                    "whenMatched": [{"$set": {"df": "$$new.df", "counted_at": {"$max": ["$counted_at", started]}}}],
                    "whenNotMatched": "insert",
                }
            },
        ]
        counted_before = {"$not": {"$gte": started}}
        with pymongo.timeout(_COUNTING_SECONDS):
            async for _ in await books.aggregate(pipeline, allowDiskUse=True):
                pass
            await words.delete_many(
                {"_id": {"$gt": WHOLE}, "counted_at": counted_before, "added_at": {"$lt": started - _SETTLED}}
            )
            total = await books.count_documents(LIVE)
        await words.update_one({"_id": WHOLE}, {"$set": {"df": total, "added_at": clock.now()}}, upsert=True)
        return total
