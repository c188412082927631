"""Shows orders to those they belong to and to staff, and moves them as those ask."""

from collections.abc import Mapping
from typing import Any

from app.conditional import body_of
from app.database import Database
from app.errors import InvalidTransition, NotFound, PaymentGatewayUnavailable
from app.idempotency import Answer, Attempt, Once
from app.ids import payment_id_of
from app.models.order import Order, OrderLine
from app.models.order_event import OrderEvent
from app.models.payment import Payment
from app.money import Money
from app.order_states import OrderStatus, PaymentState, staff_moves
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.payments.till import Till
from app.schemas.order import AdminOrderQuery, AdminOrderView, OrderEventView, OrderLineView, OrderPayment, OrderView
from app.security import Principal
from app.services import fulfilment
from app.services.paying import settle
from app.services.shelf import turn_at


def order_view(order: Order, payment: Payment | None = None, *, with_secret: bool = True) -> OrderView:
    """Return the order as its buyer sees it; only the payer learns the secret to pay with."""
    return OrderView(
        id=order.id,
        number=order.number,
        status=order.status,
        payment_status=order.payment_status,
        items=[_line_view(line, order) for line in order.lines],
        subtotal=_money(order.subtotal, order),
        shipping=_money(order.shipping, order),
        total=_money(order.total, order),
        shipping_address=order.shipping_address,
        payment=_payment_view(payment, with_secret=with_secret),
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


async def get_order(database: Database, order_id: str, user: Principal) -> OrderView:
    """Return one of the user's orders; staff see everybody's.

    Raises:
        NotFound: there is no such order, or it is somebody else's.
    """

    async def read() -> OrderView:
        order = await _visible(order_id, user)
        payment = await Payment.of_id(payment_id_of(order.id))
        return order_view(order, payment, with_secret=order.user_id == user.user_id)

    return await database.fresh(read)


async def order_as_it_is(order_id: str, payment: Payment | None, *, viewer: Principal) -> OrderView:
    """Return the order as this person sees it now, with what is known of its payment."""
    order = await Order.of_id(order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order_view(order, payment, with_secret=order.user_id == viewer.user_id)


def with_payment(body: bytes, payment: Payment) -> bytes:
    """Return the answer to an order that was just placed, with how it can be paid: the same bytes whoever asks when.

    `body` shows the order without a payment. An intent is attached once, and nobody can have paid by it before.
    """
    told = OrderPayment(id=payment.id, status=PaymentState.REQUIRES_PAYMENT, client_secret=payment.client_secret)
    # Within a string the quotes would be escaped: these are the key's own.
    return body.replace(b'"payment":null', b'"payment":' + body_of(told), 1)


async def list_events(database: Database, order_id: str, user: Principal, *, page: PageRequest) -> Page[OrderEventView]:
    """Return what happened to an order, the oldest first.

    Raises:
        NotFound: there is no such order, or it is somebody else's.
    """
    order = await database.fresh(lambda: _visible(order_id, user))
    begin = page.after[0] if page.after else 0
    shown = [((number,), _event_view(event, order)) for number, event in enumerate(order.history, 1)]
    return page.page_of(shown[begin : begin + page.fetch], len(order.history) if page.with_total else None)


async def list_orders(database: Database, user: Principal, *, page: PageRequest) -> Page[OrderView]:
    """Return the user's orders, the newest first."""
    found, total = await _page(database, {"user_id": user.user_id}, page)
    payments = await Payment.of_ids([payment_id_of(order.id) for order in found])
    shown = [((order.id,), order_view(order, payments.get(payment_id_of(order.id)))) for order in found]
    return page.page_of(shown, total)


async def list_all_orders(database: Database, asked: AdminOrderQuery, *, page: PageRequest) -> Page[AdminOrderView]:
    """Return everybody's orders, narrowed as asked for, the newest first."""
    query: dict[str, Any] = {
        field: {"$in": getattr(asked, field)}
        for field in ("status", "payment_status", "user_id", "number")
        if getattr(asked, field)
    }
    between = {"$gte": asked.created_from, "$lte": asked.created_to}
    if any(between.values()):
        query["created_at"] = {operator: moment for operator, moment in between.items() if moment}
    found, total = await _page(database, query, page)
    payments = await Payment.of_ids([payment_id_of(order.id) for order in found])
    return page.page_of(
        [((order.id,), _admin_view(order, payments.get(payment_id_of(order.id)))) for order in found], total
    )


async def cancel_order(till: Till, order_id: str, user: Principal, *, reason: str | None, once: Once[Order]) -> Answer:
    """Cancel an order that isn't shipped yet: its copies go back on the shelf, what was paid to the payer.

    A repeat changes nothing. While the gateway is away the order is cancelled all the same; the money follows.

    Raises:
        NotFound: there is no such order, or it is somebody else's.
        InvalidTransition: it is too late for that.
    """

    async def work(attempt: Attempt) -> Order:
        order = await _visible(order_id, user, attempt)
        return await fulfilment.release(
            order.id, to=OrderStatus.CANCELLED, actor=user.user_id, reason=reason, attempt=attempt
        )

    answer = await once.perform(till.writer, work, in_turn=await _turns(order_id))
    return await _settled(till, once, answer, viewer=user)


async def move_order(till: Till, order_id: str, staff: Principal, *, to: OrderStatus, once: Once[Order]) -> Answer:
    """Move an order on, or cancel it, where the table lets staff do so.

    Raises:
        NotFound: there is no such order.
        InvalidTransition: it can't go there from where it is, with where it can.
    """

    async def work(attempt: Attempt) -> Order:
        order = await _visible(order_id, staff, attempt)
        allowed = staff_moves(order.status)
        if to not in allowed:
            raise InvalidTransition(
                f"An order that is {order.status} can't be moved to {to}.", allowed=[one.value for one in allowed]
            )
        if to is OrderStatus.CANCELLED:
            return await fulfilment.release(order_id, to=to, actor=staff.user_id, attempt=attempt)
        return await fulfilment.advance(order_id, to=to, actor=staff.user_id, attempt=attempt)

    answer = await once.perform(till.writer, work, in_turn=await _turns(order_id))
    return await _settled(till, once, answer, viewer=staff)


async def _settled(till: Till, once: Once[Order], answer: Answer, *, viewer: Principal) -> Answer:
    """Let the gateway hear of it before the answer is given; where it is away, a worker tells it afterwards."""
    if answer.unfinished is None:
        return answer
    payment_id = payment_id_of(answer.unfinished)
    payment: Payment | None
    try:
        payment = await settle(till, payment_id)
    except PaymentGatewayUnavailable:
        payment = await Payment.of_id(payment_id)
    return await once.finish(answer, body_of(await order_as_it_is(answer.unfinished, payment, viewer=viewer)))


async def _turns(order_id: str) -> list[str]:
    order = await Order.of_id(order_id)
    return [turn_at(line.book_id) for line in order.lines] if order else []


async def _visible(order_id: str, user: Principal, attempt: Attempt | None = None) -> Order:
    session = attempt.session if attempt else None
    if user.is_staff:
        order = await Order.of_id(order_id, session)
    else:
        order = await Order.of_user(order_id, user.user_id, session)
    if order is None:
        raise NotFound("There is no such order.")
    return order


async def _page(database: Database, query: Mapping[str, Any], page: PageRequest) -> tuple[list[Order], int | None]:
    before = page.after[0] if page.after else None
    found = await database.fresh(lambda: Order.page(query, before=before, limit=page.fetch))
    total = await Order.count_matching(query, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return found, total


def _admin_view(order: Order, payment: Payment | None) -> AdminOrderView:
    return AdminOrderView(
        order=order_view(order, payment, with_secret=False),
        user_id=order.user_id,
        captured=_money(order.captured, order),
        refunded=_money(order.refunded, order),
        expires_at=order.expires_at,
    )


def _payment_view(payment: Payment | None, *, with_secret: bool) -> OrderPayment | None:
    if payment is None or payment.intent_id is None:
        return None
    secret = payment.client_secret if with_secret else None
    return OrderPayment(id=payment.id, status=payment.status, client_secret=secret)


def _line_view(line: OrderLine, order: Order) -> OrderLineView:
    return OrderLineView(
        book_id=line.book_id,
        title=line.title,
        authors=line.authors,
        isbn13=line.isbn13,
        unit_price=_money(line.unit_price, order),
        quantity=line.quantity,
        line_total=_money(line.total, order),
    )


def _event_view(event: OrderEvent, order: Order) -> OrderEventView:
    impersonal = {fulfilment.GATEWAY, fulfilment.CLOCK}
    actor = event.actor if event.actor in impersonal else "customer" if event.actor == order.user_id else "staff"
    amount = None if event.amount is None else _money(event.amount, order)
    return OrderEventView(**event.model_dump(exclude={"actor", "amount"}), actor=actor, amount=amount)


def _money(amount: int, order: Order) -> Money:
    return Money(amount=amount, currency=order.currency)
