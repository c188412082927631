"""Keeps until when the shared cache may be believed, and who watches over it."""

from datetime import datetime
from typing import Any, ClassVar, Final

from beanie import Document
from pymongo import IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

_ONLY: Final = "shared-cache"


class CacheGrant(Document):
    """The one row of its kind. Its changes run through the change stream, and mark how far the watcher has read."""

    id: str  # type: ignore[assignment]
    holder: str
    held_until: datetime
    granted_until: datetime
    mark: str

    class Settings:
        """How it is stored."""

        name = "cache_grants"

    INDEXES: ClassVar[list[IndexModel]] = []

    @classmethod
    async def hold(cls, holder: str, *, now: datetime, until: datetime, epoch: datetime) -> bool:
        """Become or stay the watcher until then; tell whether that worked. Two watchers at once do no harm."""
        free = {"$or": [{"holder": holder}, {"held_until": {"$lt": now}}]}
        try:
            found = await cls.get_pymongo_collection().find_one_and_update(
                {"_id": _ONLY, **free},
                {
                    "$set": {"holder": holder, "held_until": until},
                    "$setOnInsert": {"granted_until": epoch, "mark": ""},
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return False
        return found is not None

    @classmethod
    async def write_mark(cls, mark: str, *, granted_until: datetime | None) -> None:
        """Send a mark down the change stream; with it goes the promise that nothing is believed for longer."""
        update: dict[str, Any] = {"$set": {"mark": mark}}
        if granted_until is not None:
            update["$max"] = {"granted_until": granted_until}
        await cls.get_pymongo_collection().update_one({"_id": _ONLY}, update)

    @classmethod
    async def until(cls) -> datetime | None:
        """Return when the last grant ends; None where there never was one."""
        found = await cls.get_pymongo_collection().find_one({"_id": _ONLY}, {"granted_until": 1})
        return found["granted_until"] if found else None
