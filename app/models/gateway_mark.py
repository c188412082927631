"""Keeps up to when the payment gateway's own record of events was read."""

from datetime import datetime
from typing import ClassVar, Final

from beanie import Document
from pymongo import IndexModel

_ONLY: Final = "events"


class GatewayMark(Document):
    """The one row of its kind; its time is the gateway's."""

    id: str  # type: ignore[assignment]
    until: datetime

    class Settings:
        """How it is stored."""

        name = "gateway_marks"

    INDEXES: ClassVar[list[IndexModel]] = []

    @classmethod
    async def read_until(cls) -> datetime | None:
        """Return when the newest event happened that was read and dealt with."""
        found = await cls.find_one({"_id": _ONLY})
        return found.until if found else None

    @classmethod
    async def move(cls, until: datetime) -> None:
        """Note that everything up to then was dealt with; two who do so at once leave the later moment."""
        await cls.get_pymongo_collection().update_one({"_id": _ONLY}, {"$max": {"until": until}}, upsert=True)
