"""Keeps the answers that were given under idempotency keys."""

from datetime import datetime, timedelta
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

KEPT_FOR = timedelta(hours=48)
"""API.md promises 24 h at least."""


class IdempotencyKey(Document):
    """One answer: written in the transaction that had the effect, so that either both are there or neither."""

    id: str  # type: ignore[assignment]
    fingerprint: str
    status: int
    headers: dict[str, str]
    body: bytes
    touches: list[str]
    unfinished: str | None = None
    created_at: datetime

    class Settings:
        """How it is stored."""

        name = "idempotency_keys"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("created_at", ASCENDING)], expireAfterSeconds=int(KEPT_FOR.total_seconds())),
    ]

    @classmethod
    async def of(cls, key_id: str, session: AsyncClientSession | None = None) -> "IdempotencyKey | None":
        """Return what was answered under the key."""
        return await cls.find_one({"_id": key_id}, session=session)

    @classmethod
    async def claim(
        cls,
        key_id: str,
        fingerprint: str,
        *,
        status: int,
        headers: dict[str, str],
        body: bytes,
        touches: list[str],
        unfinished: str | None,
        at: datetime,
        session: AsyncClientSession,
    ) -> None:
        """Take the key, with the answer and the names of the cached answers that it made stale.

        Raises:
            DuplicateKeyError: another request took it; the caller's transaction has no effect.
        """
        row = {
            "_id": key_id,
            "fingerprint": fingerprint,
            "status": status,
            "headers": headers,
            "body": body,
            "touches": touches,
            "unfinished": unfinished,
            "created_at": at,
        }
        await cls.get_pymongo_collection().insert_one(row, session=session)

    @classmethod
    async def finish(cls, key_id: str, body: bytes) -> bytes:
        """Complete an unfinished answer, unless somebody did; return the answer's body as it stands."""
        collection = cls.get_pymongo_collection()
        unfinished = {"_id": key_id, "unfinished": {"$ne": None}}
        if (await collection.update_one(unfinished, {"$set": {"body": body, "unfinished": None}})).matched_count:
            return body
        stored = await collection.find_one({"_id": key_id})
        return bytes(stored["body"]) if stored else body

    @classmethod
    async def finish_as_it_is(cls, key_id: str, *, session: AsyncClientSession) -> None:
        """Let an unfinished answer stand as it was stored."""
        await cls.get_pymongo_collection().update_one({"_id": key_id}, {"$set": {"unfinished": None}}, session=session)
