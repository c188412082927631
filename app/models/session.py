"""Keeps the sessions that live: a session that isn't here has ended, and its tokens with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import SESSION, SessionId, UserId, new_id
from app.security import Role


class Session(Document):
    """One signing-in and everything that follows from it: a family of refresh tokens of which the last one holds."""

    id: SessionId = Field(default_factory=lambda: SessionId(new_id(SESSION)))  # type: ignore[assignment]
    user_id: UserId
    role: Annotated[Role, Field(description="The user's, changed together with it: the access token's isn't believed")]
    refresh_hash: Annotated[bytes, Field(description="SHA-256 of the refresh token that holds")]
    previous_hash: Annotated[bytes | None, Field(description="SHA-256 of the one before")] = None
    rotated_at: datetime
    created_at: datetime
    expires_at: Annotated[datetime, Field(description="When it ends, however often it is refreshed")]
    address: str | None = None
    user_agent: str | None = None

    class Settings:
        """How it is stored."""

        name = "sessions"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ]

    @classmethod
    async def open_all(cls, opened: "Sequence[Session]", *, session: AsyncClientSession) -> None:
        """Write new sessions."""
        documents = [one.model_dump(exclude={"id"}) | {"_id": one.id} for one in opened]
        await cls.get_pymongo_collection().insert_many(documents, session=session)

    @classmethod
    async def rotate(
        cls, session_id: str, *, old: bytes, new: bytes, at: datetime, session: AsyncClientSession
    ) -> "Session | None":
        """Let the refresh token with the new hash hold in place of the old one; None where the old one doesn't."""
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": session_id, "refresh_hash": old, "expires_at": {"$gt": at}},
            {"$set": {"refresh_hash": new, "previous_hash": old, "rotated_at": at}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def of_user(cls, user_id: str, *, at: datetime, after: str | None, limit: int) -> "list[Session]":
        """Return the user's sessions that live at this moment, the newest first."""
        query = _living(user_id, at) | ({"_id": {"$lt": after}} if after else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def counted(cls, user_id: str, *, at: datetime, up_to: int) -> int:
        """Return how many of the user's sessions live, counting no further than one above `up_to`."""
        return await cls.get_pymongo_collection().count_documents(_living(user_id, at), limit=up_to + 1)

    @classmethod
    async def end(cls, session_id: str, *, user_id: str | None = None, session: AsyncClientSession) -> bool:
        """End a session, of this user where one is named; tell whether it was there."""
        query: dict[str, Any] = {"_id": session_id} | ({"user_id": user_id} if user_id else {})
        done = await cls.get_pymongo_collection().delete_one(query, session=session)
        return done.deleted_count == 1

    @classmethod
    async def end_all(cls, user_id: str, *, but: str | None = None, session: AsyncClientSession) -> Sequence[SessionId]:
        """End every session of a user, but one where it is named; return the ids of those that ended."""
        query: dict[str, Any] = {"user_id": user_id} | ({"_id": {"$ne": but}} if but else {})
        ids = await cls.get_pymongo_collection().distinct("_id", query, session=session)
        await cls.get_pymongo_collection().delete_many({"_id": {"$in": ids}}, session=session)
        return ids

    @classmethod
    async def give_role(cls, user_id: str, role: Role, *, session: AsyncClientSession) -> Sequence[SessionId]:
        """Give a user's sessions another role; return their ids."""
        collection = cls.get_pymongo_collection()
        await collection.update_many({"user_id": user_id}, {"$set": {"role": role.value}}, session=session)
        ids: list[SessionId] = await collection.distinct("_id", {"user_id": user_id}, session=session)
        return ids


def _living(user_id: str, at: datetime) -> dict[str, Any]:
    return {"user_id": user_id, "expires_at": {"$gt": at}}
