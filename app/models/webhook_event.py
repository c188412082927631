"""Keeps which notices of the gateway came: the inbox, in which each event is once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from beanie import Document
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

KEPT_FOR: Final = timedelta(days=90)


class WebhookEvent(Document):
    """One notice, under the id that the gateway gave it."""

    id: str  # type: ignore[assignment]
    kind: str
    intent_id: str | None
    received_at: datetime

    class Settings:
        """How it is stored."""

        name = "webhook_events"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("received_at", ASCENDING)], expireAfterSeconds=int(KEPT_FOR.total_seconds())),
    ]

    async def receive(self, session: AsyncClientSession) -> None:
        """Put it into the inbox.

        Raises:
            DuplicateKeyError: it is there already.
        """
        document = self.model_dump(mode="python", exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().insert_one(document, session=session)

    async def note(self) -> None:
        """Put it into the inbox, if it isn't there."""
        try:
            await self.insert()
        except DuplicateKeyError:
            return

    @classmethod
    async def among(cls, ids: Sequence[str]) -> set[str]:
        """Return which of these came."""
        return {row["_id"] async for row in cls.get_pymongo_collection().find({"_id": {"$in": list(ids)}}, {"_id": 1})}
