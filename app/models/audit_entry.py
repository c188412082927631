"""Keeps what the shop's people changed: rows that are written once and never changed or removed by the program."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import BOOK, CATEGORY, ORDER, PAYMENT, REFUND, USER, AuditEntryId, UserId

_COLLECTIONS: Final = {
    BOOK: ("books", "inventory"),
    CATEGORY: ("categories",),
    ORDER: ("orders",),
    USER: ("users",),
    PAYMENT: ("payments",),
    REFUND: ("refunds",),
}
"""Where what an id names is kept, by the id's prefix."""

_BY_NAME: Final = (("categories", "slug"),)
"""What a path may name by something else than its id."""


class Change(BaseModel):
    """What became of one document: the fields that are not as they were."""

    model_config = ConfigDict(frozen=True)

    kind: Annotated[str, Field(description="Its collection")]
    of: Annotated[str, Field(description="Its id")]
    before: dict[str, Any]
    after: dict[str, Any]


class AuditEntry(Document):
    """One act: who, what, before and after."""

    id: AuditEntryId  # type: ignore[assignment]
    at: datetime
    actor: UserId
    role: str
    action: str
    method: str
    path: str
    request_id: str
    changes: list[Change]

    class Settings:
        """How it is stored."""

        name = "audit_log"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("actor", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("action", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("changes.of", ASCENDING), ("_id", DESCENDING)]),
    ]

    @staticmethod
    def about(*, actor: Sequence[str], action: Sequence[str], of: Sequence[str]) -> dict[str, Any]:
        """Return the query for entries by one of these actors, with one of these actions, about one of these things."""
        asked = {"actor": actor, "action": action, "changes.of": of}
        return {name: {"$in": list(values)} for name, values in asked.items() if values}

    @classmethod
    async def page(cls, query: Mapping[str, Any], *, before: str | None, limit: int) -> "list[AuditEntry]":
        """Return entries that a query names, the newest first."""
        further = {"_id": {"$lt": before}} if before else {}
        return await cls.find({**query, **further}).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def count_matching(cls, query: Mapping[str, Any], *, at_most: int) -> int:
        """Return how many entries a query names, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents(dict(query), limit=at_most)


async def snapshots(
    names: Iterable[str], session: AsyncClientSession, *, without: Collection[str] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """Return what these ids or names stand for: documents, each with its collection, as the transaction sees them.

    `without` names collections that aren't looked at.
    """
    database = AuditEntry.get_pymongo_collection().database
    found: list[tuple[str, dict[str, Any]]] = []
    for name in dict.fromkeys(names):
        prefix, separator, _ = name.partition("_")
        by_id = [(kind, "_id") for kind in _COLLECTIONS.get(prefix, ())] if separator else []
        for kind, field in by_id or _BY_NAME:
            if kind in without:
                continue
            document = await database[kind].find_one({field: name}, session=session)
            if document is not None:
                found.append((kind, document))
    return found
