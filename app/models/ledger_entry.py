"""Keeps the shop's books: every movement of money, once, from one account to another."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import LEDGER_ENTRY, OrderId, PaymentId, new_id
from app.money import Currency


class Account(StrEnum):
    """Where money is: with the gateway, for us; in what customers paid us; or with them, by a way of the shop's own."""

    GATEWAY = "gateway"
    SALES = "sales"
    ELSEWHERE = "elsewhere"


class LedgerEntry(Document):
    """One movement, in minor units. A row debits one account and credits the other, so the books always balance.

    What was paid debits `gateway` and credits `sales`; what is given back does the reverse, until it returns. What the
    shop gave back without the gateway debits `sales` and credits `elsewhere`.
    """

    id: str = Field(default_factory=lambda: new_id(LEDGER_ENTRY))  # type: ignore[assignment]
    source: Annotated[
        str, Field(description="What moved it: the gateway's intent with its sum, our refund, its failure")
    ]
    debit: Account
    credit: Account
    amount: int
    currency: Currency
    payment_id: PaymentId
    order_id: OrderId
    at: datetime

    class Settings:
        """How it is stored."""

        name = "ledger_entries"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("source", unique=True),
        IndexModel([("payment_id", ASCENDING), ("_id", ASCENDING)]),
    ]

    async def post(self, session: AsyncClientSession) -> None:
        """Enter it.

        Raises:
            DuplicateKeyError: it is in the books.
        """
        document = self.model_dump(mode="python", exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().insert_one(document, session=session)
