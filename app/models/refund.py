"""Keeps refunds: promised first, within what was taken, and then given by the gateway."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import REFUND, OrderId, PaymentId, RefundId, new_id
from app.money import Currency

LEASE: Final = timedelta(seconds=20)
"""For so long whoever asks the gateway for a refund is alone with it: longer than any answer is waited for."""


class RefundState(StrEnum):
    """What became of a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refund(Document):
    """Money on its way back, in minor units."""

    id: RefundId = Field(default_factory=lambda: RefundId(new_id(REFUND)))  # type: ignore[assignment]
    payment_id: PaymentId
    order_id: OrderId
    amount: int
    currency: Currency
    status: RefundState = RefundState.PENDING
    reason: str | None = None
    actor: Annotated[str, Field(description="A user's id, or what program")]
    cause: Annotated[str | None, Field(description="Why the shop itself gives it back: once per payment")] = None
    claim: Annotated[str | None, Field(description="The idempotency key it was asked for with")] = None
    gateway_id: str | None = None
    elsewhere: Annotated[bool, Field(description="Given without the gateway, which is never asked for it")] = False
    attempts: int = 0
    free_at: Annotated[datetime, Field(description="When somebody may ask the gateway for it (again)")]
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "refunds"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel([("payment_id", ASCENDING), ("_id", DESCENDING)]),
        IndexModel(
            [("payment_id", ASCENDING), ("cause", ASCENDING)],
            unique=True,
            partialFilterExpression={"cause": {"$type": "string"}},
            name="one_of_each_cause",
        ),
        # `$gt` rather than `$type`: MongoDB sees that what is asked for implies it, and uses the indexes.
        IndexModel("gateway_id", unique=True, partialFilterExpression={"gateway_id": {"$gt": ""}}, name="of_gateway"),
        IndexModel("claim", unique=True, partialFilterExpression={"claim": {"$gt": ""}}, name="of_claim"),
        IndexModel("free_at", partialFilterExpression={"status": RefundState.PENDING.value}),
    ]

    @property
    def was_refused(self) -> bool:
        """Whether the gateway never gave it; one that failed afterwards has the gateway's id."""
        return self.status is RefundState.FAILED and self.gateway_id is None

    async def promise(self, session: AsyncClientSession) -> None:
        """Write it down, in the transaction that claims the amount.

        Raises:
            DuplicateKeyError: it was promised before, by the same key or for the same cause.
        """
        document = self.model_dump(mode="python", exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().insert_one(document, session=session)

    @classmethod
    async def of_id(cls, refund_id: str, session: AsyncClientSession | None = None) -> "Refund | None":
        """Return the refund."""
        return await cls.find_one({"_id": refund_id}, session=session)

    @classmethod
    async def of_gateway(cls, gateway_id: str) -> "Refund | None":
        """Return what the gateway knows by this id."""
        return await cls.find_one({"gateway_id": gateway_id})

    @classmethod
    async def of_cause(cls, payment_id: str, cause: str, session: AsyncClientSession) -> "list[Refund]":
        """Return what was promised for a cause, or for one whose name begins with it."""
        query: dict[str, Any] = {"payment_id": payment_id, "cause": {"$regex": f"^{cause}"}}
        return await cls.find(query, session=session).to_list()

    @classmethod
    async def of_claim(cls, claim: str, session: AsyncClientSession) -> "Refund | None":
        """Return what was asked for with an idempotency key, also where its answer isn't kept any more."""
        return await cls.find_one({"claim": claim}, session=session)

    @classmethod
    async def take(cls, refund_id: str, *, now: datetime) -> "Refund | None":
        """Take a pending refund to the gateway; None where it is settled, or somebody else is on the way with it."""
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": refund_id, "status": RefundState.PENDING.value, "free_at": {"$lte": now}},
            {"$set": {"free_at": now + LEASE}, "$inc": {"attempts": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def settle(
        cls, refund_id: str, state: RefundState, *, gateway_id: str | None, at: datetime, session: AsyncClientSession
    ) -> bool:
        """Note what became of a pending refund; False where that is known."""
        done = await cls.get_pymongo_collection().update_one(
            {"_id": refund_id, "status": RefundState.PENDING.value},
            {"$set": {"status": state.value, "gateway_id": gateway_id, "updated_at": at}},
            session=session,
        )
        return done.modified_count == 1

    @classmethod
    async def bounce(cls, refund_id: str, *, at: datetime, session: AsyncClientSession) -> bool:
        """Note that a refund that was given didn't reach the payer; False where that is known."""
        done = await cls.get_pymongo_collection().update_one(
            {"_id": refund_id, "status": RefundState.SUCCEEDED.value},
            {"$set": {"status": RefundState.FAILED.value, "updated_at": at}},
            session=session,
        )
        return done.modified_count == 1

    @classmethod
    async def pending_of(cls, payment_id: str) -> "list[Refund]":
        """Return the refunds of a payment that the gateway hasn't given yet, as far as we know."""
        return await cls.find({"payment_id": payment_id, "status": RefundState.PENDING.value}).to_list()

    @classmethod
    async def waiting(cls, *, now: datetime, limit: int) -> list[str]:
        """Return the ids of payments with refunds that nobody is on the way with, the longest waiting first."""
        query: dict[str, Any] = {"status": RefundState.PENDING.value, "free_at": {"$lte": now}}
        rows = cls.get_pymongo_collection().find(query, {"payment_id": 1}).sort("free_at", ASCENDING).limit(limit)
        return list(dict.fromkeys([row["payment_id"] async for row in rows]))

    @classmethod
    async def page(cls, payment_id: str, *, before: str | None, limit: int) -> "list[Refund]":
        """Return up to `limit` refunds of a payment, the newest first."""
        query: dict[str, Any] = {"payment_id": payment_id} | ({"_id": {"$lt": before}} if before else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def count_of(cls, payment_id: str, *, at_most: int) -> int:
        """Return how many refunds a payment has, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents({"payment_id": payment_id}, limit=at_most)
