"""Keeps carts: a user's, or a guest's who has its token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import CART, BookId, CartId, UserId, new_id
from app.money import Money


@dataclass(frozen=True)
class CartOwner:
    """Whose cart it is: a user's, or a guest's, known by the digest of the cart's token."""

    user_id: UserId | None = None
    token_digest: str | None = None

    @property
    def principal(self) -> str:
        """What idempotency keys belong to."""
        return self.user_id or f"cart {self.token_digest}"


class CartLine(BaseModel):
    """So many copies of a book, with its price when it was put in."""

    model_config = ConfigDict(frozen=True)

    book_id: BookId
    quantity: int
    price_when_added: Money
    added_at: datetime


class Cart(Document):
    """What somebody is about to buy. Nothing is reserved by it."""

    id: CartId = Field(default_factory=lambda: CartId(new_id(CART)))  # type: ignore[assignment]
    user_id: UserId | None = None
    token_digest: str | None = None
    lines: list[CartLine] = Field(default_factory=list)
    expires_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "carts"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("user_id", unique=True, partialFilterExpression={"user_id": {"$gt": ""}}),
        IndexModel("token_digest", unique=True, partialFilterExpression={"token_digest": {"$gt": ""}}),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ]

    @classmethod
    async def of(cls, owner: CartOwner, *, at: datetime, session: AsyncClientSession | None = None) -> "Cart | None":
        """Return the owner's cart; None where there is none, or a guest's has run out."""
        if owner.user_id is not None:
            return await cls.find_one({"user_id": owner.user_id}, session=session)
        return await cls.find_one({"token_digest": owner.token_digest, "expires_at": {"$gt": at}}, session=session)

    async def put(self, session: AsyncClientSession) -> None:
        """Write the cart whole, new or not, within a transaction that read it.

        Raises:
            DuplicateKeyError: its owner got a cart at the same time; a repeat finds that one.
        """
        document = self.model_dump(mode="python", by_alias=True, exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().replace_one({"_id": self.id}, document, upsert=True, session=session)

    async def remove(self, session: AsyncClientSession) -> None:
        """Take the cart away."""
        await self.get_pymongo_collection().delete_one({"_id": self.id}, session=session)

    @classmethod
    async def empty(cls, user_id: str, *, at: datetime, session: AsyncClientSession) -> None:
        """Take everything out of the user's cart."""
        change: dict[str, Any] = {"$set": {"lines": [], "updated_at": at}}
        await cls.get_pymongo_collection().update_one({"user_id": user_id}, change, session=session)

    @classmethod
    async def forget(cls, user_id: str, *, session: AsyncClientSession) -> None:
        """Take the user's cart away, if there is one."""
        await cls.get_pymongo_collection().delete_one({"user_id": user_id}, session=session)

    def with_lines(self, lines: Sequence[CartLine], *, at: datetime, expires_at: datetime | None) -> "Cart":
        """Return the cart with other lines."""
        changed: Cart = self.model_copy(update={"lines": list(lines), "updated_at": at, "expires_at": expires_at})
        return changed
