"""Keeps the single-use tokens that were sent by e-mail, by their hashes."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import UserId, UserTokenId


class Purpose(StrEnum):
    """What a token is good for."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105  a purpose


class UserToken(Document):
    """A token that holds until it is used, replaced by a newer one, or expires."""

    id: UserTokenId  # type: ignore[assignment]
    user_id: Annotated[UserId | None, Field(description="None where nobody has the address that was named")]
    purpose: Purpose
    hash: bytes
    email_folded: Annotated[str, Field(description="The address it was sent to: it says nothing of another one")]
    created_at: datetime
    expires_at: datetime

    class Settings:
        """How it is stored."""

        name = "user_tokens"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("hash", unique=True),
        IndexModel([("user_id", ASCENDING), ("purpose", ASCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ]

    @classmethod
    async def use(
        cls, token_hash: bytes, purpose: Purpose, *, at: datetime, session: AsyncClientSession
    ) -> "UserToken | None":
        """Use the token up; None where it was used, replaced, has expired, or never was."""
        found = await cls.get_pymongo_collection().find_one_and_delete(_held(token_hash, purpose, at), session=session)
        return cls.model_validate(found) if found else None

    @classmethod
    async def holds(cls, token_hash: bytes, purpose: Purpose, *, at: datetime) -> bool:
        """Tell whether `use` would find it."""
        return await cls.get_pymongo_collection().find_one(_held(token_hash, purpose, at), {"_id": 1}) is not None

    @classmethod
    async def forget(cls, user_id: str, *purposes: Purpose, session: AsyncClientSession) -> None:
        """Make a user's tokens for these purposes, or for any, good for nothing."""
        query = {"user_id": user_id} | ({"purpose": {"$in": [one.value for one in purposes]}} if purposes else {})
        await cls.get_pymongo_collection().delete_many(query, session=session)


def _held(token_hash: bytes, purpose: Purpose, at: datetime) -> dict[str, Any]:
    return {"hash": token_hash, "purpose": purpose.value, "user_id": {"$ne": None}, "expires_at": {"$gt": at}}
