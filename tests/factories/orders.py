"""Makes orders without a checkout: for what happens to them afterwards."""

from datetime import timedelta
from typing import Any

import httpx

from app import clock
from app.idempotency import Attempt
from app.ids import ORDER, USER, OrderId, new_id, payment_id_of
from app.lifespan import Resources
from app.models.order import Order, OrderLine
from app.models.order_event import OrderEvent, OrderEventKind
from app.models.payment import Payment
from app.order_states import OrderStatus, PaymentStatus
from app.payments.till import Till
from app.schemas.address import Address
from app.services.paying import payment_of, start_payment
from app.services.shelf import Move, move_copies
from tests.factories.books import a_book, stock_of

VISA = "pm_card_visa"
ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}


async def an_order_paid_in_the_browser(till: Till, staff: httpx.AsyncClient) -> tuple[Order, Payment]:
    """Place an order, and pay it at the gateway itself: the shop has heard nothing of that yet."""
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")
    return order, payment


async def an_order(till: Till, staff: httpx.AsyncClient, *, copies: int = 2, **overrides: Any) -> Order:
    """Place an order for a new book, of which there are `copies`, hold them all for it, and write its payment down."""
    book = await a_book(staff)
    await stock_of(staff, book["id"], copies)
    moment = clock.now()
    price = book["price"]["amount"]
    line = OrderLine(
        book_id=book["id"], title=book["title"], authors=book["authors"], isbn13=None, unit_price=price, quantity=copies
    )
    placed = OrderEvent(
        kind=OrderEventKind.PLACED,
        status=OrderStatus.PENDING_PAYMENT,
        payment_status=PaymentStatus.REQUIRES_PAYMENT,
        actor="test",
        at=moment,
    )
    order_id = OrderId(new_id(ORDER))
    values: dict[str, Any] = {
        "id": order_id,
        "payment_id": payment_id_of(order_id),
        "number": new_id("n"),
        "user_id": new_id(USER),
        "lines": [line],
        "subtotal": copies * price,
        "shipping": 0,
        "total": copies * price,
        "currency": "USD",
        "shipping_address": Address(**ADDRESS),
        "expires_at": moment + timedelta(minutes=30),
        "history": [placed],
        "created_at": moment,
        "updated_at": moment,
    }
    order = Order(**(values | overrides))

    async def place(attempt: Attempt) -> None:
        await order.place(attempt.session)
        await payment_of(order).open(attempt.session)
        await move_copies(Move.HOLD, order.id, order.lines, actor="test", at=moment, attempt=attempt)

    await till.commit(place)
    return order


async def order_now(order: Order) -> Order:
    """Return the order as it is now."""
    found = await Order.of_id(order.id)
    assert found is not None
    return found


async def rows(shop: Resources, collection: str, **query: Any) -> list[dict[str, Any]]:
    """Return the documents of a collection that match, as MongoDB has them."""
    return await shop.database.database[collection].find(query).sort("_id", 1).to_list()
