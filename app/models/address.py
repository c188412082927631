"""Keeps the addresses that users have things sent to."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import ADDRESS, AddressId, UserId, new_id
from app.schemas.address import Address


class SavedAddress(Document):
    """An address in a user's book. Orders take a copy."""

    id: AddressId = Field(default_factory=lambda: AddressId(new_id(ADDRESS)))  # type: ignore[assignment]
    user_id: UserId
    address: Address
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "addresses"

    INDEXES: ClassVar[list[IndexModel]] = [IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)])]

    @classmethod
    async def of_user(cls, user_id: str, *, after: str | None, limit: int) -> "list[SavedAddress]":
        """Return a user's addresses, the newest first."""
        query: dict[str, Any] = {"user_id": user_id} | ({"_id": {"$lt": after}} if after else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def owned(
        cls, address_id: str, *, user_id: str, session: AsyncClientSession | None = None
    ) -> "SavedAddress | None":
        """Return the address if it is this user's."""
        return await cls.find_one({"_id": address_id, "user_id": user_id}, session=session)

    @classmethod
    async def count_of(cls, user_id: str, session: AsyncClientSession | None = None) -> int:
        """Return how many a user has."""
        return await cls.get_pymongo_collection().count_documents({"user_id": user_id}, session=session)

    @classmethod
    async def replace_with(
        cls, address_id: str, address: Address, *, user_id: str, at: datetime, session: AsyncClientSession
    ) -> "SavedAddress | None":
        """Put another address in its place; None where there is none, or it isn't this user's."""
        # No find-and-modify: MongoDB writes the whole of one that meets another write into its log.
        await cls.get_pymongo_collection().update_one(
            {"_id": address_id, "user_id": user_id},
            {"$set": {"address": address.model_dump(), "updated_at": at}},
            session=session,
        )
        return await cls.owned(address_id, user_id=user_id, session=session)

    @classmethod
    async def remove(cls, address_id: str, *, user_id: str, session: AsyncClientSession) -> bool:
        """Remove an address; False where there is none, or it isn't this user's."""
        done = await cls.get_pymongo_collection().delete_one({"_id": address_id, "user_id": user_id}, session=session)
        return done.deleted_count == 1

    @classmethod
    async def forget(cls, user_id: str, *, session: AsyncClientSession) -> None:
        """Remove all of a user's."""
        await cls.get_pymongo_collection().delete_many({"user_id": user_id}, session=session)
