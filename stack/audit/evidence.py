"""Gathers what there is: the databases at one moment, then the gateway's ledger, then the mailbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

import stripe
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from app import clock
from stack.errors import StackError
from stack.mailbox import kept_in
from stack.running import Stack
from stack.unanswered import answers_wanted

Row = dict[str, Any]

_PAGE: Final = 100


@dataclass
class Charge:
    """One intent of the gateway's that took money, and what it gave back of it."""

    intent_id: str
    payment_id: str
    received: int
    refunded: int = 0


@dataclass
class Evidence:
    """Everything that an audit judges. What isn't read here isn't known to it."""

    read_at: datetime = field(default_factory=clock.now)
    """When the databases had been read: what they keep for a while only was there, or could have been forgotten."""
    stocks: dict[str, Row] = field(default_factory=dict)
    moved: dict[str, Row] = field(default_factory=dict)
    orders: list[Row] = field(default_factory=list)
    payments: dict[str, Row] = field(default_factory=dict)
    refunds: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    readers: set[str] = field(default_factory=set)
    """Users who can be written to; who deleted their account can't."""
    confirmations: list[Row] = field(default_factory=list)
    answered_orders: dict[str, int] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    payable: set[str] = field(default_factory=set)
    """Intents that the gateway would still take money for."""
    letters: list[str] = field(default_factory=list)


async def gather(stack: Stack) -> Evidence:
    """Read it all; the databases at one moment of theirs, so that work under way is seen whole or not at all.

    The gateway comes after them: what it took in between is no contradiction, and settled when looked at again.

    Raises:
        StackError: the databases or the gateway can't be read.
    """
    evidence = Evidence()
    url = stack.environment["BOOKSTORE_MONGO_URL"]
    with answers_wanted("the audit can't read the databases"):
        async with AsyncMongoClient[Row](url, tz_aware=True, serverSelectionTimeoutMS=5000) as client:
            database = client[stack.environment["BOOKSTORE_MONGO_DATABASE"]]
            async with client.start_session(snapshot=True) as session:
                await _read_databases(evidence, database, session)
    evidence.read_at = clock.now()
    try:
        await _read_ledger(evidence, stack)
    except stripe.StripeError as error:
        raise StackError(
            f"the audit can't read the payment gateway's ledger; see ./bookstore status, and run it again ({error})"
        ) from error
    evidence.letters = _letters(stack.profile.mails)
    return evidence


async def _read_databases(evidence: Evidence, database: AsyncDatabase[Row], session: AsyncClientSession) -> None:
    evidence.stocks = {row["_id"]: row async for row in database.inventory.find({}, session=session)}
    sold = {"$cond": [{"$in": ["$kind", ["sold", "returned"]]}, {"$multiply": ["$delta", -1]}, 0]}
    sums = {
        "_id": "$book_id",
        "on_hand": {"$sum": "$delta"},
        "held": {"$sum": "$held_delta"},
        "sold": {"$sum": sold},
    }
    moved = await database.stock_movements.aggregate([{"$group": sums}], session=session, allowDiskUse=True)
    evidence.moved = {row["_id"]: row async for row in moved}
    evidence.orders = await database.orders.find({}, session=session).to_list()
    evidence.payments = {row["_id"]: row async for row in database.payments.find({}, session=session)}
    evidence.refunds = await database.refunds.find({}, session=session).to_list()
    evidence.entries = await database.ledger_entries.find({}, session=session).to_list()
    reachable = {"email": {"$ne": None}, "deleted": False}
    evidence.readers = {row["_id"] async for row in database.users.find(reachable, {"_id": 1}, session=session)}
    paid = {"kind": "order.paid"}
    evidence.confirmations = await database.outbox_events.find(paid, session=session).to_list()
    answers = {"status": 201, "headers.Location": {"$regex": "^/api/v1/orders/"}}
    async for row in database.idempotency_keys.find(answers, {"headers": 1}, session=session):
        order = row["headers"]["Location"].rpartition("/")[2]
        evidence.answered_orders[order] = evidence.answered_orders.get(order, 0) + 1


async def _read_ledger(evidence: Evidence, stack: Stack) -> None:
    found: dict[str, Charge] = {}
    async with _ledger(stack) as client:
        intents = await client.v1.payment_intents.list_async({"limit": _PAGE})
        async for intent in intents.auto_paging_iter():
            if intent.status == "succeeded" and "payment_id" in (intent.metadata or {}):
                found[intent.id] = Charge(intent.id, intent.metadata["payment_id"], intent.amount_received)
            elif intent.status.startswith("requires_"):
                evidence.payable.add(intent.id)
        refunds = await client.v1.refunds.list_async({"limit": _PAGE})
        async for refund in refunds.auto_paging_iter():
            intent_id = refund.payment_intent if isinstance(refund.payment_intent, str) else None
            if intent_id in found and refund.status not in {"failed", "canceled"}:
                found[intent_id].refunded += refund.amount
    evidence.charges = list(found.values())


@asynccontextmanager
async def _ledger(stack: Stack) -> AsyncIterator[stripe.StripeClient]:
    http = stripe.AIOHTTPClient(timeout=60)
    base = stack.environment.get("BOOKSTORE_STRIPE_API_BASE")
    try:
        yield stripe.StripeClient(
            stack.environment["STRIPE_API_KEY"],
            base_addresses={"api": base} if base else None,
            http_client=http,
            max_network_retries=5,
        )
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # the library leaves it out


def _letters(folder: Path) -> list[str]:
    parser = BytesHeaderParser()
    return [str(parser.parsebytes(file.read_bytes())["Message-ID"]).strip() for file in kept_in(folder)]
