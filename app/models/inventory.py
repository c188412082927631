"""Keeps the stock of each book and the movements that led to it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import MOVEMENT, BookId, MovementId, new_id
from app.schemas.book import Availability

DEFAULT_LOW_STOCK_THRESHOLD = 5


class MovementKind(StrEnum):
    """Why the stock changed."""

    INITIAL = "initial"
    RESTOCK = "restock"
    CORRECTION = "correction"


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

    INDEXES: ClassVar[list[IndexModel]] = [IndexModel([("on_hand", ASCENDING), ("_id", ASCENDING)])]

    @property
    def available(self) -> int:
        """Copies that can be sold now."""
        return self.on_hand - self.held

    @property
    def availability(self) -> Availability:
        """What shoppers learn of it."""
        if self.available <= 0:
            return Availability.OUT_OF_STOCK
        return Availability.LOW_STOCK if self.available <= self.low_stock_threshold else Availability.IN_STOCK

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
    async def of_books(cls, book_ids: Sequence[str]) -> "dict[str, Inventory]":
        """Return the stocks of these books, by book."""
        return {one.id: one for one in await cls.find({"_id": {"$in": list(book_ids)}}).to_list()}

    @classmethod
    async def low(cls, *, after: tuple[int, str] | None, limit: int) -> "list[Inventory]":
        """Return inventories at or below their threshold, the emptiest first."""
        query: dict[str, Any] = {"$expr": {"$lte": [{"$subtract": ["$on_hand", "$held"]}, "$low_stock_threshold"]}}
        if after is not None:
            query["$or"] = [{"on_hand": {"$gt": after[0]}}, {"on_hand": after[0], "_id": {"$gt": after[1]}}]
        return (
            await cls.find(query)
            .sort([("on_hand", SortDirection.ASCENDING), ("_id", SortDirection.ASCENDING)])
            .limit(limit)
            .to_list()
        )


class StockMovement(Document):
    """One change of one book's stock; written in the transaction that changed it, never changed afterwards."""

    id: MovementId = Field(default_factory=lambda: MovementId(new_id(MOVEMENT)))  # type: ignore[assignment]
    book_id: BookId
    kind: MovementKind
    delta: int
    on_hand_after: int
    reason: str | None = None
    actor: Annotated[str | None, Field(description="Who did it: a user's id, or what program")] = None
    at: datetime

    class Settings:
        """How it is stored."""

        name = "stock_movements"

    INDEXES: ClassVar[list[IndexModel]] = [IndexModel([("book_id", ASCENDING), ("_id", DESCENDING)])]

    @classmethod
    async def of_book(cls, book_id: str, *, before: str | None, limit: int) -> "list[StockMovement]":
        """Return the book's movements, the newest first."""
        query: dict[str, Any] = {"book_id": book_id} | ({"_id": {"$lt": before}} if before else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()
