"""Takes one guard of payments at a time away, to see that the races find it."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import new_id
from app.models.ledger_entry import LedgerEntry
from app.models.payment import Payment
from app.models.refund import Refund
from app.models.webhook_event import WebhookEvent

patch = pytest.MonkeyPatch()


def no_capture_guard() -> None:
    """Note money each time that somebody tells of it."""
    intact = LedgerEntry.post

    async def capture(_: str, amount: int, *, at: datetime, session: AsyncClientSession) -> int:
        return amount

    async def post(self: LedgerEntry, session: AsyncClientSession) -> None:
        self.source = new_id("any")
        await intact(self, session)

    patch.setattr(Payment, "capture", capture)
    patch.setattr(LedgerEntry, "post", post)


def no_inbox() -> None:
    """Take every webhook for a new one."""
    intact = WebhookEvent.receive

    async def receive(self: WebhookEvent, session: AsyncClientSession) -> None:
        self.id = new_id("any")
        await intact(self, session)

    patch.setattr(WebhookEvent, "receive", receive)


def no_first_intent() -> None:
    """Let the last intent count, not the first."""

    async def attach(payment_id: str, *, intent_id: str, client_secret: str | None, at: datetime) -> Payment | None:
        made = {"intent_id": intent_id, "client_secret": client_secret, "updated_at": at}
        await Payment.get_pymongo_collection().update_one({"_id": payment_id}, {"$set": made})
        return await Payment.of_id(payment_id)

    patch.setattr(Payment, "attach_intent", attach)


def no_ceiling() -> None:
    """Look at what is left, and promise it afterwards."""

    async def claim(payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> bool:
        payment = await Payment.of_id(payment_id)
        await asyncio.sleep(random.random() * 0.05)
        change = {"$inc": {"claimed": amount}, "$set": {"updated_at": at}}
        await Payment.get_pymongo_collection().update_one({"_id": payment_id}, change, session=session)
        return payment is not None and amount <= payment.refundable

    patch.setattr(Payment, "claim", claim)


def no_lease() -> None:
    """Let everybody ask the gateway for a refund who sees that it is pending."""

    async def take(refund_id: str, *, now: datetime) -> Refund | None:
        refund = await Refund.of_id(refund_id)
        return refund if refund is not None and refund.status == "pending" else None

    patch.setattr(Refund, "take", take)


STEPS: Mapping[str, Callable[[], Any]] = {
    "no-capture-guard": no_capture_guard,
    "no-inbox": no_inbox,
    "no-first-intent": no_first_intent,
    "no-ceiling": no_ceiling,
    "no-refund-lease": no_lease,
}
