"""Keeps the answers that were given under idempotency keys."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

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
    created_at: datetime

    class Settings:
        """How it is stored."""

        name = "idempotency_keys"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("created_at", ASCENDING)], expireAfterSeconds=int(KEPT_FOR.total_seconds())),
    ]

    @classmethod
    async def of(cls, key_id: str, session: AsyncClientSession) -> "IdempotencyKey | None":
        """Return what was answered under the key."""
        return await cls.find_one({"_id": key_id}, session=session)

    @classmethod
    async def claim(cls, key_id: str, fingerprint: str, *, at: datetime, session: AsyncClientSession) -> None:
        """Take the key before doing the work.

        Two requests with one key that run at once meet here: the unique id makes the later one start over,
        and then find what the first stored.
        """
        blank = {"fingerprint": fingerprint, "status": 0, "headers": {}, "body": b"", "touches": [], "created_at": at}
        await cls.get_pymongo_collection().insert_one({"_id": key_id} | blank, session=session)

    @classmethod
    async def store_answer(
        cls,
        key_id: str,
        *,
        status: int,
        headers: dict[str, str],
        body: bytes,
        touches: list[str],
        session: AsyncClientSession,
    ) -> None:
        """Keep the answer under the claimed key, with the names of the cached answers that it made stale."""
        answer: dict[str, Any] = {"status": status, "headers": headers, "body": body, "touches": touches}
        await cls.get_pymongo_collection().update_one({"_id": key_id}, {"$set": answer}, session=session)
