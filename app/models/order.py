"""Keeps orders: what was bought at which prices, where it stands, and what happened to it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import ORDER, BookId, OrderId, PaymentId, UserId, new_id
from app.models.order_event import OrderEvent
from app.money import Amount, Currency
from app.order_states import CALLED_OFF, ENDED, OrderStatus, PaymentStatus
from app.schemas.address import Address

Query = Mapping[str, Any]

_FORGOTTEN: Final = {
    **dict.fromkeys(("name", "line1", "city", "postal_code"), "(deleted)"),
    **dict.fromkeys(("line2", "region", "phone")),
}
"""What an address says in place of somebody who deleted the account. The country stays: taxes depend on it."""


class OrderLine(BaseModel):
    """One book of an order, with the title and price of the moment it was ordered."""

    model_config = ConfigDict(frozen=True)

    book_id: BookId
    title: str
    authors: list[str]
    isbn13: str | None
    unit_price: Annotated[Amount, Field(description="Minor units of the order's currency")]
    quantity: int

    @property
    def total(self) -> int:
        """The line's price in minor units."""
        return self.unit_price * self.quantity


class Order(Document):
    """A record of one purchase. It is changed by `app.services.fulfilment` alone, and never deleted.

    All amounts are minor units of `currency`. `captured - refunded` is what the shop has of its money.
    """

    id: OrderId = Field(default_factory=lambda: OrderId(new_id(ORDER)))  # type: ignore[assignment]
    number: Annotated[str, Field(description="Short, for people")]
    user_id: UserId
    status: OrderStatus = OrderStatus.PENDING_PAYMENT
    payment_status: PaymentStatus = PaymentStatus.REQUIRES_PAYMENT
    lines: list[OrderLine]
    subtotal: int
    shipping: int
    total: int
    currency: Currency
    shipping_address: Address
    payment_id: PaymentId
    captured: int = 0
    refunded: int = 0
    expires_at: Annotated[datetime, Field(description="When its copies go back unless it is paid")]
    history: list[OrderEvent]
    version: Annotated[int, Field(description="Counts its changes")] = 1
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "orders"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("number", unique=True),
        IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("status", ASCENDING), ("_id", DESCENDING)]),
        IndexModel("expires_at", partialFilterExpression={"status": OrderStatus.PENDING_PAYMENT.value}),
    ]

    @property
    def refund_due(self) -> int:
        """What is to be given back: all that was captured for an order that won't be delivered."""
        return self.captured - self.refunded if self.status in CALLED_OFF else 0

    @classmethod
    async def of_id(cls, order_id: str, session: AsyncClientSession | None = None) -> "Order | None":
        """Return the order, whosever it is."""
        return await cls.find_one({"_id": order_id}, session=session)

    @classmethod
    async def of_user(cls, order_id: str, user_id: str, session: AsyncClientSession | None = None) -> "Order | None":
        """Return the order if it is this user's."""
        return await cls.find_one({"_id": order_id, "user_id": user_id}, session=session)

    def is_overdue(self, *, at: datetime) -> bool:
        """Whether its copies go back now, as `overdue` finds it."""
        waits = self.status is OrderStatus.PENDING_PAYMENT and self.payment_status is not PaymentStatus.PROCESSING
        return waits and self.expires_at <= at

    async def place(self, session: AsyncClientSession) -> None:
        """Write the new order.

        Raises:
            DuplicateKeyError: another order has its number; a repeat draws another one.
        """
        document = self.model_dump(mode="python", by_alias=True, exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().insert_one(document, session=session)

    async def change(self, event: OrderEvent, session: AsyncClientSession, **fields: Any) -> "Order | None":
        """Write fields and what happened, if the order is still as it was read; return it as it is then.

        None where somebody changed it in between: read it again.
        """
        changes = {**fields, "updated_at": event.at, "version": self.version + 1}
        after: Order = self.model_copy(update={**changes, "history": [*self.history, event]})
        # No find-and-modify: MongoDB writes the whole of one that meets another write into its log, addresses too.
        done = await self.get_pymongo_collection().update_one(
            {"_id": self.id, "version": self.version},
            {
                "$set": after.model_dump(mode="python", include=set(changes)),
                "$push": {"history": event.model_dump(mode="python")},
            },
            session=session,
        )
        return after if done.matched_count else None

    @property
    def forgotten_address(self) -> Address:
        """The address without whose it was."""
        return self.shipping_address.model_copy(update=_FORGOTTEN)

    @classmethod
    async def forget_buyer(cls, user_id: str, *, session: AsyncClientSession) -> None:
        """Forget where a user's orders went that have ended, and what the user said about any of them.

        Orders that are still on their way keep the address until they end. Each is written all the same: whoever ends
        one at the same moment starts over, and then sees that its buyer is gone.
        """
        orders = cls.get_pymongo_collection()
        forgotten = {f"shipping_address.{field}": value for field, value in _FORGOTTEN.items()}
        ended = {"user_id": user_id, "status": {"$in": sorted(ENDED)}}
        await orders.update_many(ended, {"$set": forgotten}, session=session)
        await orders.update_many(
            {"user_id": user_id},
            {"$set": {"history.$[own].reason": None}, "$inc": {"version": 1}},
            array_filters=[{"own.actor": user_id}],
            session=session,
        )

    @classmethod
    async def overdue(cls, *, at: datetime, limit: int, but: Collection[str] = ()) -> Sequence[str]:
        """Return the ids of unpaid orders whose time has run out, `but` these; the longest waiting first.

        While the gateway is at work on a payment, its outcome is waited for.
        """
        query: Query = {
            "status": OrderStatus.PENDING_PAYMENT.value,
            "payment_status": {"$ne": PaymentStatus.PROCESSING.value},
            "expires_at": {"$lte": at},
            "_id": {"$nin": list(but)},
        }
        cursor = cls.get_pymongo_collection().find(query, {"_id": 1}).sort("expires_at", ASCENDING).limit(limit)
        return [document["_id"] async for document in cursor]

    @classmethod
    async def page(cls, query: Query, *, before: str | None, limit: int) -> "list[Order]":
        """Return up to `limit` orders that match, the newest first."""
        beyond = {"$and": [query, {"_id": {"$lt": before}}]} if before else query
        return await cls.find(beyond).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def count_matching(cls, query: Query, *, at_most: int) -> int:
        """Return how many orders match, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents(dict(query), limit=at_most)
