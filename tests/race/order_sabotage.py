"""Takes one guard of checkout at a time away, to see that the races find it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

import pytest
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.database import Database
from app.idempotency import Attempt
from app.models import inventory
from app.models.cart import Cart, CartOwner
from app.models.idempotency_key import IdempotencyKey
from app.models.order import Order
from app.models.order_event import OrderEvent
from app.security import Principal
from app.services import checkout, fulfilment, orders

patch = pytest.MonkeyPatch()


def no_stock_guard() -> None:
    """Hold copies without looking whether there are any."""
    patch.setattr(inventory, "available", lambda _: {})


def no_transaction() -> None:
    """Make each change by itself, so that a refusal leaves what was done before it."""

    async def run(self: Database, callback: Callable[[AsyncClientSession], Awaitable[Any]], *, seconds: float) -> Any:
        async with self.client.start_session() as session:
            return await callback(session)

    patch.setattr(Database, "_run_in_transaction", run)


def no_key() -> None:
    """Keep no answers under keys."""

    async def claim(*_: Any, **__: Any) -> None:
        pass

    async def of(*_: Any) -> None:
        return None

    async def finish(_: str, body: bytes) -> bytes:
        return body

    patch.setattr(IdempotencyKey, "claim", claim)
    patch.setattr(IdempotencyKey, "of", of)
    patch.setattr(IdempotencyKey, "finish", finish)


def old_order() -> None:
    """Judge an order by what it was before the transaction began, and write it whatever it is."""
    seen: ContextVar[Order | None] = ContextVar("seen", default=None)
    intact_turns, intact_order_of = orders._turns, fulfilment.order_of

    async def turns(order_id: str) -> list[str]:
        seen.set(await Order.of_id(order_id))
        await asyncio.sleep(random.random() * 0.05)
        return await intact_turns(order_id)

    async def order_of(order_id: str, attempt: Attempt) -> Order:
        return seen.get() or await intact_order_of(order_id, attempt)

    async def change(self: Order, event: OrderEvent, session: AsyncClientSession, **fields: Any) -> Order:
        found = await self.get_pymongo_collection().find_one_and_update(
            {"_id": self.id},
            {"$set": fields, "$inc": {"version": 1}, "$push": {"history": event.model_dump(mode="python")}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        changed: Order = Order.model_validate(found)
        return changed

    patch.setattr(orders, "_turns", turns)
    patch.setattr(fulfilment, "order_of", order_of)
    patch.setattr(Order, "change", change)


def old_cart() -> None:
    """Order what was in the cart before the transaction began, and empty it within."""
    seen: ContextVar[list[Any]] = ContextVar("seen")
    intact = checkout._refuse_early

    async def look(writer: Any, stock: Any, buyer: Principal, *rest: Any, **more: Any) -> list[str]:
        cart = await Cart.of(CartOwner(user_id=buyer.user_id), at=clock.now())
        seen.set(
            [checkout._Wanted(line.book_id, line.quantity, line.price_when_added) for line in cart.lines]
            if cart
            else []
        )
        await asyncio.sleep(random.random() * 0.05)
        return await intact(writer, stock, buyer, *rest, **more)

    async def wanted(*_: Any) -> list[Any]:
        return seen.get()

    patch.setattr(checkout, "_refuse_early", look)
    patch.setattr(checkout, "_wanted", wanted)


STEPS: Mapping[str, Callable[[], None]] = {
    "no-stock-guard": no_stock_guard,
    "no-transaction": no_transaction,
    "no-key": no_key,
    "old-order": old_order,
    "old-cart": old_cart,
}
