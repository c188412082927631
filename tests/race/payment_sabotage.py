"""Takes one guard of payments at a time away, to see that the races find it."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.idempotency import Once
from app.ids import new_id
from app.models.ledger_entry import LedgerEntry
from app.models.payment import MadeIntent, Payment
from app.models.refund import Refund
from app.models.webhook_event import WebhookEvent
from app.payments.stripe_gateway import StripeGateway
from app.payments.till import Till
from tests.race.deaths import die_after

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

    async def attach(intents: Sequence[MadeIntent]) -> bool:
        for one in intents:
            await Payment.get_pymongo_collection().update_one({"_id": one.payment_id}, {"$set": one.fields})
        return True

    patch.setattr(Payment, "attach_intents", attach)


def no_ceiling() -> None:
    """Look at what is left, and promise it afterwards, in no transaction: there, the second to write starts over."""

    async def claim(payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> bool:
        payment = await Payment.of_id(payment_id)
        await asyncio.sleep(random.random() * 0.05)
        if payment is None or amount > payment.refundable:
            return False
        change = {"$inc": {"claimed": amount}, "$set": {"updated_at": at}}
        await Payment.get_pymongo_collection().update_one({"_id": payment_id}, change)
        return True

    patch.setattr(Payment, "claim", claim)


def no_lease() -> None:
    """Let everybody ask the gateway for a refund who sees that it is pending."""

    async def take(refund_id: str, *, now: datetime) -> Refund | None:
        refund = await Refund.of_id(refund_id)
        return refund if refund is not None and refund.status == "pending" else None

    patch.setattr(Refund, "take", take)


DEATHS: Final[Mapping[str, Callable[[], None]]] = {
    "die-after-commit": die_after(Once, "perform"),
    "die-after-intent": die_after(StripeGateway, "create_intent"),
    "die-after-charge": die_after(StripeGateway, "confirm_intent"),
    "die-after-settling": die_after(Till, "commit"),
    "die-before-answer": die_after(Once, "finish"),
}
"""One replica dies right after it did this."""

STEPS: Mapping[str, Callable[[], Any]] = {
    **DEATHS,
    "no-capture-guard": no_capture_guard,
    "no-inbox": no_inbox,
    "no-first-intent": no_first_intent,
    "no-ceiling": no_ceiling,
    "no-refund-lease": no_lease,
}
