"""Keeps the stock of each book and the movements that led to it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import MOVEMENT, BookId, MovementId, OrderId, new_id
from app.schemas.book import Availability

DEFAULT_LOW_STOCK_THRESHOLD = 5

_AVAILABLE: Final = {"$subtract": ["$on_hand", "$held"]}
_LOW: Final = {"$expr": {"$lte": [_AVAILABLE, "$low_stock_threshold"]}}

_ON_SALE: Final = (
    {
        "$lookup": {
            "from": "books",
            "localField": "_id",
            "foreignField": "_id",
            "pipeline": [{"$project": {"archived_at": 1}}],
            "as": "book",
        }
    },
    {"$match": {"book.archived_at": None}},
    {"$unset": "book"},
)
"""Nobody orders copies of a book that was archived."""


def available(copies: int) -> dict[str, Any]:
    """Return the guard that so many copies can be sold now."""
    return {"$expr": {"$gte": [_AVAILABLE, copies]}}


class MovementKind(StrEnum):
    """Why the stock changed."""

    INITIAL = "initial"
    RESTOCK = "restock"
    CORRECTION = "correction"
    HELD = "held"
    RELEASED = "released"
    SOLD = "sold"
    RETURNED = "returned"


class Inventory(Document):
    """The stock of one book, in copies. Always: received = on_hand + sold, and 0 <= held <= on_hand."""

    id: BookId  # type: ignore[assignment]
    on_hand: Annotated[int, Field(description="Copies on the shelf, held ones included")] = 0
    held: Annotated[int, Field(description="Copies on the shelf that unpaid orders wait for")] = 0
    sold: int = 0
    received: Annotated[int, Field(description="The sum of everything put in, corrections included")] = 0
    low_stock_threshold: int = DEFAULT_LOW_STOCK_THRESHOLD
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "inventory"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("on_hand", ASCENDING), ("_id", ASCENDING)]),
        # Of few books at any time some copies are held.
        IndexModel([("held", ASCENDING)], partialFilterExpression={"held": {"$gt": 0}}),
    ]

    @property
    def available(self) -> int:
        """Copies that can be sold now."""
        return self.on_hand - self.held

    @property
    def availability(self) -> Availability:
        """What shoppers learn of it."""
        return self.availability_with(self.available)

    def availability_with(self, copies: int) -> Availability:
        """Return what shoppers learn where so many copies are available."""
        if copies <= 0:
            return Availability.OUT_OF_STOCK
        return Availability.LOW_STOCK if copies <= self.low_stock_threshold else Availability.IN_STOCK

    @classmethod
    async def add_stock(
        cls, book_id: str, delta: int, *, at: datetime, session: AsyncClientSession
    ) -> "Inventory | None":
        """Put `delta` copies in (or take them out), never below what is held; None where that can't be."""
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": book_id, "$expr": {"$gte": [{"$add": ["$on_hand", delta]}, "$held"]}},
            {"$inc": {"on_hand": delta, "received": delta}, "$set": {"updated_at": at}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def hold(cls, book_id: str, copies: int, *, at: datetime, session: AsyncClientSession) -> "Inventory | None":
        """Keep copies for an order that waits for its payment; None where too few are available."""
        return await cls._move({"_id": book_id, **available(copies)}, {"held": copies}, at=at, session=session)

    @classmethod
    async def release(
        cls, book_id: str, copies: int, *, at: datetime, session: AsyncClientSession
    ) -> "Inventory | None":
        """Let held copies be bought by others again; None where not so many are held."""
        return await cls._move({"_id": book_id, "held": {"$gte": copies}}, {"held": -copies}, at=at, session=session)

    @classmethod
    async def sell(cls, book_id: str, copies: int, *, at: datetime, session: AsyncClientSession) -> "Inventory | None":
        """Take held copies off the shelf for good; None where not so many are held."""
        enough = {"held": {"$gte": copies}, "on_hand": {"$gte": copies}}
        change = {"held": -copies, "on_hand": -copies, "sold": copies}
        return await cls._move({"_id": book_id, **enough}, change, at=at, session=session)

    @classmethod
    async def take_back(
        cls, book_id: str, copies: int, *, at: datetime, session: AsyncClientSession
    ) -> "Inventory | None":
        """Put sold copies back on the shelf; None where not so many were sold."""
        change = {"on_hand": copies, "sold": -copies}
        return await cls._move({"_id": book_id, "sold": {"$gte": copies}}, change, at=at, session=session)

    @classmethod
    async def _move(
        cls, guard: dict[str, Any], change: dict[str, int], *, at: datetime, session: AsyncClientSession
    ) -> "Inventory | None":
        found = await cls.get_pymongo_collection().find_one_and_update(
            guard,
            {"$inc": change, "$set": {"updated_at": at}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def of_books(
        cls, book_ids: Sequence[str], session: AsyncClientSession | None = None
    ) -> "dict[str, Inventory]":
        """Return the stocks of these books, by book."""
        return {one.id: one for one in await cls.find({"_id": {"$in": list(book_ids)}}, session=session).to_list()}

    @classmethod
    async def low(cls, *, after: tuple[int, str] | None, limit: int) -> "list[Inventory]":
        """Return inventories of books on sale at or below their threshold, those with the fewest available first.

        Where no copies are held the index on `on_hand` has them in this order and is read no further than to the limit;
        the few others are sorted in between.
        """

        def beyond(count: str) -> dict[str, Any]:
            if after is None:
                return {}
            return {"$or": [{count: {"$gt": after[0]}}, {count: after[0], "_id": {"$gt": after[1]}}]}

        untouched = {"held": 0, **_LOW, **beyond("on_hand")}
        held: list[dict[str, Any]] = [
            {"$match": {"held": {"$gt": 0}, **_LOW}},
            {"$set": {"available": _AVAILABLE}},
            {"$match": beyond("available")},
            *_ON_SALE,
        ]
        collection = cls.get_pymongo_collection()
        rows = await collection.aggregate([
            {"$match": untouched}, {"$sort": {"on_hand": 1, "_id": 1}}, *_ON_SALE, {"$limit": limit},
            {"$set": {"available": "$on_hand"}},
            {"$unionWith": {"coll": collection.name, "pipeline": held}},
            {"$sort": {"available": 1, "_id": 1}}, {"$limit": limit}, {"$unset": "available"},
        ])  # fmt: skip
        return [cls.model_validate(row) async for row in rows]

    @classmethod
    async def count_low(cls, *, at_most: int) -> int:
        """Return how many inventories of books on sale are at or below their threshold, counted up to `at_most`."""
        rows = await cls.get_pymongo_collection().aggregate(
            [{"$match": _LOW}, *_ON_SALE, {"$limit": at_most}, {"$count": "low"}]
        )
        return sum([int(row["low"]) async for row in rows])


class StockMovement(Document):
    """One change of one book's stock; written in the transaction that changed it, never changed afterwards.

    The sums of a book's movements are its stock: `delta` of all is `on_hand`, `held_delta` of all is `held`, and
    `-delta` of what was sold and returned is `sold`.
    """

    id: MovementId = Field(default_factory=lambda: MovementId(new_id(MOVEMENT)))  # type: ignore[assignment]
    book_id: BookId
    kind: MovementKind
    delta: Annotated[int, Field(description="By how much on_hand changed")]
    held_delta: Annotated[int, Field(description="By how much held changed")] = 0
    on_hand_after: int
    order_id: OrderId | None = None
    reason: str | None = None
    actor: Annotated[str | None, Field(description="Who did it: a user's id, or what program")] = None
    at: datetime

    class Settings:
        """How it is stored."""

        name = "stock_movements"

    INDEXES: ClassVar[list[IndexModel]] = [IndexModel([("book_id", ASCENDING), ("_id", DESCENDING)])]

    @classmethod
    async def add(cls, movements: "Sequence[StockMovement]", session: AsyncClientSession) -> None:
        """Write several at once."""
        documents = [one.model_dump(mode="python", exclude={"id"}) | {"_id": one.id} for one in movements]
        if len(documents) == 1:
            # Most orders have one line, and the driver's way for many does several times the work.
            await cls.get_pymongo_collection().insert_one(documents[0], session=session)
        else:
            await cls.get_pymongo_collection().insert_many(documents, session=session)

    @classmethod
    async def of_book(cls, book_id: str, *, before: str | None, limit: int) -> "list[StockMovement]":
        """Return the book's movements, the newest first."""
        query: dict[str, Any] = {"book_id": book_id} | ({"_id": {"$lt": before}} if before else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def count_of_book(cls, book_id: str, *, at_most: int) -> int:
        """Return how many movements the book has, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents({"book_id": book_id}, limit=at_most)
