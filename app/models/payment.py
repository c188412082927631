"""Keeps payments: one for each order, with what the gateway took and gave back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import OrderId, PaymentId, UserId
from app.money import Currency
from app.order_states import PaymentState

Query = Mapping[str, Any]


OPEN: Final = frozenset({PaymentState.REQUIRES_PAYMENT, PaymentState.PROCESSING, PaymentState.FAILED})
"""Money may come yet."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN: Final = {"status": {"$in": [state.value for state in OPEN]}}


@dataclass(frozen=True)
class MadeIntent:
    """What the gateway made for a payment."""

    payment_id: PaymentId
    intent_id: str
    client_secret: str | None
    at: datetime

    @property
    def fields(self) -> dict[str, Any]:
        """The payment's fields once it has it."""
        return {"intent_id": self.intent_id, "client_secret": self.client_secret, "updated_at": self.at}

    @property
    def free(self) -> dict[str, Any]:
        """The payment, as long as it has none and money may come."""
        return {"_id": self.payment_id, "intent_id": None, **_OPEN}


class Payment(Document):
    """The one payment of an order; its id is made of the order's. All amounts are minor units of `currency`.

    Always: refunded <= claimed <= captured, where `claimed` is what refunds were given or promised.
    """

    id: PaymentId  # type: ignore[assignment]
    order_id: OrderId
    user_id: UserId
    amount: int
    currency: Currency
    status: PaymentState = PaymentState.REQUIRES_PAYMENT
    intent_id: Annotated[str | None, Field(description="The gateway's; none while the gateway wasn't reached")] = None
    client_secret: Annotated[str | None, Field(description="Lets the payer's browser pay at the gateway")] = None
    failure: Annotated[str | None, Field(description="Why the last attempt was refused")] = None
    captured: int = 0
    claimed: int = 0
    refunded: int = 0
    left_out: Annotated[bool, Field(description="The order was answered without it: the gateway was away")] = False
    ask_at: Annotated[datetime | None, Field(description="When the gateway is asked again, whatever it tells us")]
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "payments"

    INDEXES: ClassVar[list[IndexModel]] = [
        # `$gt` rather than `$type`: MongoDB sees that what is asked for implies it, and uses the index.
        IndexModel("intent_id", unique=True, partialFilterExpression={"intent_id": {"$gt": ""}}, name="of_intent"),
        IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("status", ASCENDING), ("_id", DESCENDING)]),
        IndexModel("ask_at", partialFilterExpression={"ask_at": {"$gt": _LONG_AGO}}, name="to_ask_about"),
    ]

    @property
    def refundable(self) -> int:
        """What can still be given back."""
        return self.captured - self.claimed

    @classmethod
    async def of_id(cls, payment_id: str, session: AsyncClientSession | None = None) -> "Payment | None":
        """Return the payment, whosever it is."""
        return await cls.find_one({"_id": payment_id}, session=session)

    @classmethod
    async def of_intent(cls, intent_id: str) -> "Payment | None":
        """Return the payment that the gateway knows by this id."""
        return await cls.find_one({"intent_id": intent_id})

    @classmethod
    async def ids_of_intents(cls, intent_ids: Sequence[str]) -> dict[str, str]:
        """Return the ids of the payments that the gateway knows by these, by the gateway's."""
        found = cls.get_pymongo_collection().find({"intent_id": {"$in": list(intent_ids)}}, {"intent_id": 1})
        return {row["intent_id"]: row["_id"] async for row in found}

    @classmethod
    async def of_ids(cls, payment_ids: Sequence[str]) -> "dict[str, Payment]":
        """Return these payments, by id."""
        return {one.id: one for one in await cls.find({"_id": {"$in": list(payment_ids)}}).to_list()}

    async def open(self, session: AsyncClientSession) -> None:
        """Write the payment down with its order, before anybody asks the gateway."""
        document = self.model_dump(mode="python", exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().insert_one(document, session=session)

    @classmethod
    async def attach_intents(cls, intents: Sequence[MadeIntent]) -> bool:
        """Note the intents that were made, the first for each payment; tell whether every payment has its intent now.

        Not noted are those of payments that their order's answer left out, or that are called off.
        """
        # Mostly nothing has happened to them, and an update that returns nothing is one write less to the server, which
        # keeps what a find-and-modify returned for its repeat. It also writes the whole of one that meets another write
        # into its log, and this holds a secret.
        collection = cls.get_pymongo_collection()
        updates = [(one.free | {"left_out": False}, {"$set": one.fields}) for one in intents]
        if len(updates) == 1:
            return (await collection.update_one(*updates[0])).matched_count == 1
        done = await collection.bulk_write([UpdateOne(*update) for update in updates], ordered=False)
        return done.matched_count == len(updates)

    @classmethod
    async def attach_intent(cls, intent: MadeIntent) -> None:
        """Note an intent that was made, if it is the first and the payment isn't called off."""
        await cls.get_pymongo_collection().update_one(intent.free, {"$set": intent.fields})

    @classmethod
    async def leave_out(cls, payment_id: str, *, session: AsyncClientSession) -> "Payment | None":
        """Note that the order's answer names no payment; where the payment has an intent by now, return it instead.

        Whoever attaches an intent at the same moment comes before this, and is found, or after it, and finds it.
        """
        collection = cls.get_pymongo_collection()
        without = {"_id": payment_id, "intent_id": None}
        done = await collection.update_one(without, {"$set": {"left_out": True}}, session=session)
        return None if done.matched_count else await cls.of_id(payment_id, session)

    @classmethod
    async def capture(cls, payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> int:
        """Note that this much was taken in all; return how much of it is news."""
        paid = {"captured": amount, "status": PaymentState.PAID.value, "failure": None, "ask_at": None}
        before = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": payment_id, "captured": {"$lt": amount}},
            {"$set": {**paid, "updated_at": at}},
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        return amount - int(before["captured"]) if before else 0

    @classmethod
    async def note_state(
        cls,
        payment_id: str,
        state: PaymentState,
        *,
        failure: str | None = None,
        at: datetime,
        session: AsyncClientSession,
    ) -> bool:
        """Note where an unpaid payment stands; False where that is known, or money came."""
        done = await cls.get_pymongo_collection().update_one(
            {"_id": payment_id, **_OPEN, "$nor": [{"status": state.value, "failure": failure}]},
            {"$set": {"status": state.value, "failure": failure, "updated_at": at}},
            session=session,
        )
        return done.modified_count == 1

    @classmethod
    async def call_off(cls, payment_id: str, *, at: datetime, session: AsyncClientSession) -> bool:
        """Note that nobody will be able to pay it; False where it has an intent by now, which somebody may pay."""
        done = await cls.get_pymongo_collection().update_one(
            {"_id": payment_id, "intent_id": None, **_OPEN},
            {"$set": {"status": PaymentState.CANCELLED.value, "failure": None, "updated_at": at}},
            session=session,
        )
        return done.matched_count == 1

    @classmethod
    async def claim(cls, payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> bool:
        """Promise to give this much back, never more than was taken; False where it would be more."""
        done = await cls.get_pymongo_collection().update_one(
            {"_id": payment_id, "$expr": {"$lte": [{"$add": ["$claimed", amount]}, "$captured"]}},
            {"$inc": {"claimed": amount}, "$set": {"updated_at": at}},
            session=session,
        )
        return done.modified_count == 1

    @classmethod
    async def disclaim(cls, payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> None:
        """Take a promise back that the gateway refused for good."""
        await cls.get_pymongo_collection().update_one(
            {"_id": payment_id}, {"$inc": {"claimed": -amount}, "$set": {"updated_at": at}}, session=session
        )

    @classmethod
    async def give_back(cls, payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> "Payment":
        """Note that this much of what was promised was given back."""
        return await cls._change_refunded(payment_id, {"refunded": amount}, at=at, session=session)

    @classmethod
    async def take_back(cls, payment_id: str, amount: int, *, at: datetime, session: AsyncClientSession) -> "Payment":
        """Note that this much of what was given back has returned: it can be given back again."""
        return await cls._change_refunded(payment_id, {"refunded": -amount, "claimed": -amount}, at=at, session=session)

    @classmethod
    async def _change_refunded(
        cls, payment_id: str, by: Mapping[str, int], *, at: datetime, session: AsyncClientSession
    ) -> "Payment":
        sums = {name: {"$add": [f"${name}", amount]} for name, amount in by.items()}
        whole, none = {"$gte": ["$refunded", "$captured"]}, {"$lte": ["$refunded", 0]}
        some = {"$cond": [whole, PaymentState.REFUNDED.value, PaymentState.PARTIALLY_REFUNDED.value]}
        state = {"$cond": [none, PaymentState.PAID.value, some]}
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": payment_id},
            [{"$set": {**sums, "updated_at": at}}, {"$set": {"status": state}}],
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        payment: Payment = cls.model_validate(found)
        return payment

    @classmethod
    async def ask_again(cls, payment_id: str, *, at: datetime | None) -> None:
        """Say when the gateway is asked about it next; `None`: not unless something happens."""
        await cls.get_pymongo_collection().update_one({"_id": payment_id}, {"$set": {"ask_at": at}})

    @classmethod
    async def take_due(cls, *, now: datetime, until: datetime) -> "Payment | None":
        """Take the payment that has waited longest to be asked about; nobody else gets it before `until`."""
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"ask_at": {"$gt": _LONG_AGO, "$lte": now}},
            {"$set": {"ask_at": until}},
            sort=[("ask_at", SortDirection.ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def page(cls, query: Query, *, before: str | None, limit: int) -> "list[Payment]":
        """Return up to `limit` payments that match, the newest first."""
        beyond = {"$and": [query, {"_id": {"$lt": before}}]} if before else query
        return await cls.find(beyond).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def count_matching(cls, query: Query, *, at_most: int) -> int:
        """Return how many payments match, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents(dict(query), limit=at_most)
