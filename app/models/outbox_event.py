"""Keeps events until everybody who waits for them has heard: the outbox (docs/adr/0008)."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.events import Event
from app.ids import EVENT, EventId, new_id

LEASE: Final = timedelta(seconds=10)
"""For so long an event belongs to the worker that took it, and again whenever that renews the lease; whoever took it
gives up well before."""

KEPT_FOR: Final = timedelta(days=30)


class OutboxState(StrEnum):
    """How far an event has come."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Backlog:
    """How far delivery is behind."""

    waiting: int
    oldest_waiting_since: datetime | None
    failed: int


_WAITING: Final = {"state": OutboxState.WAITING.value}


class OutboxEvent(Document):
    """One event, written in the transaction that it tells of."""

    id: EventId  # type: ignore[assignment]
    kind: str
    subject: str
    data: dict[str, str | int]
    state: OutboxState
    at: datetime
    ring_at: Annotated[datetime, Field(description="When the relay shall ring for it (again)")]
    free_at: Annotated[datetime, Field(description="When a worker may take it: not while another has it, or it rests")]
    attempts: int
    stumbles: Annotated[int, Field(description="Attempts that failed by a mistake of ours")] = 0
    error: Annotated[str | None, Field(description="Why the last attempt failed")] = None
    delivered_at: datetime | None = None
    lease: Annotated[str | None, Field(description="Whose it is: another for each time that it is taken")] = None

    class Settings:
        """How it is stored."""

        name = "outbox_events"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("ring_at", ASCENDING)], partialFilterExpression=_WAITING, name="to_ring_for"),
        IndexModel([("subject", ASCENDING), ("_id", ASCENDING)], partialFilterExpression=_WAITING, name="in_order"),
        IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="by_state"),
        IndexModel([("delivered_at", ASCENDING)], expireAfterSeconds=int(KEPT_FOR.total_seconds())),
    ]

    @classmethod
    async def add(cls, event: Event, *, session: AsyncClientSession, awaited: bool = True) -> EventId:
        """Write the event down in the caller's transaction; when that commits it is delivered, at least once.

        One that isn't `awaited` by anybody is only recorded: no worker is rung for.
        """
        moment = clock.now()
        event_id = EventId(new_id(EVENT))
        row = {
            "_id": event_id,
            "kind": event.kind,
            "subject": event.subject,
            "data": dict(event.data),
            "at": moment,
            "ring_at": moment,
            "free_at": moment,
            "attempts": 0,
            "stumbles": 0,
            "error": None,
            "delivered_at": None,
            "lease": None,
        }
        heard = {"state": OutboxState.DELIVERED.value, "delivered_at": moment}
        await cls.get_pymongo_collection().insert_one(row | (_WAITING if awaited else heard), session=session)
        return event_id

    @classmethod
    async def subjects_to_ring_for(cls, *, now: datetime, limit: int) -> list[str]:
        """Return subjects that have events which nobody was told of, or not for long; the oldest first."""
        found = (
            cls.get_pymongo_collection()
            .find(_WAITING | {"ring_at": {"$lte": now}}, {"subject": 1})
            .sort("ring_at", SortDirection.ASCENDING)
            .limit(limit)
        )
        return list(dict.fromkeys([row["subject"] async for row in found]))

    @classmethod
    async def claim_ringing(cls, subjects: Sequence[str], *, now: datetime, again_at: datetime) -> None:
        """Note that these subjects are rung for; until `again_at` nobody else does."""
        due = _WAITING | {"subject": {"$in": list(subjects)}, "ring_at": {"$lte": now}}
        await cls.get_pymongo_collection().update_many(due, {"$set": {"ring_at": again_at}})

    @classmethod
    async def take_oldest(cls, subjects: Collection[str], *, now: datetime) -> "list[OutboxEvent]":
        """Take each subject's oldest waiting event for as long as a lease lasts.

        None of a subject where nothing waits, or the oldest is somebody else's or rests after a failure: later ones
        wait for it.
        """
        collection = cls.get_pymongo_collection()
        pipeline: list[dict[str, Any]] = [
            {"$match": _WAITING | {"subject": {"$in": list(subjects)}}},
            {"$sort": {"subject": SortDirection.ASCENDING, "_id": SortDirection.ASCENDING}},
            {"$group": {"_id": "$subject", "oldest": {"$first": "$$ROOT"}}},
        ]
        found = [row["oldest"] async for row in await collection.aggregate(pipeline)]
        until, lease = now + LEASE, secrets.token_hex(8)
        wanted = {
            row["_id"]: row | {"free_at": until, "ring_at": until, "attempts": row["attempts"] + 1, "lease": lease}
            for row in found
            if row["free_at"] <= now
        }
        if not wanted:
            return []
        # Whoever took one meanwhile changed when it is free, and nothing else changes but with that.
        updates = [
            UpdateOne(
                _WAITING | {"_id": row["_id"], "free_at": row["free_at"]},
                {"$set": {name: wanted[row["_id"]][name] for name in ("free_at", "ring_at", "attempts", "lease")}},
            )
            for row in found
            if row["_id"] in wanted
        ]
        taken = await collection.bulk_write(updates, ordered=False)
        mine = set(wanted)
        if taken.matched_count < len(wanted):
            mine = {
                row["_id"] async for row in collection.find({"_id": {"$in": list(wanted)}, "lease": lease}, {"_id": 1})
            }
        return [cls.model_validate(wanted[event_id]) for event_id in sorted(mine)]

    @classmethod
    async def backlog(cls, *, at_most: int) -> "Backlog":
        """Return how much waits, since when, and how much was given up, counted up to `at_most`."""
        collection = cls.get_pymongo_collection()
        failed = {"state": OutboxState.FAILED.value}
        oldest = await collection.find_one(_WAITING, {"at": 1}, sort=[("_id", SortDirection.ASCENDING)])
        return Backlog(
            waiting=await collection.count_documents(_WAITING, limit=at_most),
            oldest_waiting_since=oldest["at"] if oldest else None,
            failed=await collection.count_documents(failed, limit=at_most),
        )

    @classmethod
    async def deliver(cls, events: "Sequence[OutboxEvent]", *, at: datetime) -> None:
        """Note that everybody has heard of these."""
        heard = {"state": OutboxState.DELIVERED.value, "delivered_at": at, "error": None}
        updates = [UpdateOne(event._mine, {"$set": heard}) for event in events]  # noqa: SLF001  its own class
        await cls.get_pymongo_collection().bulk_write(updates, ordered=False)

    async def keep(self, *, now: datetime) -> bool:
        """Renew the lease; tell whether it was still this worker's."""
        until = now + LEASE
        kept = await self.get_pymongo_collection().update_one(
            self._mine, {"$set": {"free_at": until, "ring_at": until}}
        )
        return bool(kept.matched_count)

    async def put_off(self, error: str, *, until: datetime, stumbled: bool = False) -> None:
        """Let it rest after a failure; what comes after it for the same subject rests, too."""
        rest = {"free_at": until, "ring_at": until, "error": error, "stumbles": self.stumbles + stumbled}
        if await self._settle(rest):
            followers = _WAITING | {"subject": self.subject, "ring_at": {"$lt": until}}
            await self.get_pymongo_collection().update_many(followers, {"$set": {"ring_at": until}})

    async def give_up(self, error: str) -> None:
        """Try no more; what comes after it goes on, and somebody has to look at this one."""
        await self._settle({"state": OutboxState.FAILED.value, "error": error})

    async def _settle(self, fields: dict[str, Any]) -> bool:
        """Tell whether it was still this worker's."""
        settled = await self.get_pymongo_collection().update_one(self._mine, {"$set": fields})
        return bool(settled.matched_count)

    @property
    def _mine(self) -> dict[str, Any]:
        # Guarded by the lease: what another worker took over meanwhile is the other's to settle.
        return _WAITING | {"_id": self.id, "lease": self.lease}
