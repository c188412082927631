"""Moves orders on: what payments, staff, shoppers and the clock do to one. Nothing else changes an order.

Every function runs within its caller's transaction, touches MongoDB alone, and does nothing where it was done before.
Each writes the order, its history, the stock and what is to be told.
"""

from collections.abc import Mapping
from typing import Any, Final

from app import clock
from app.errors import Conflict, InvalidTransition, NotFound
from app.events import Event, Kind
from app.idempotency import Attempt
from app.ids import payment_id_of
from app.models.order import Order
from app.models.order_event import OrderEvent, OrderEventKind
from app.models.outbox_event import OutboxEvent
from app.models.user import User
from app.order_states import ENDED, HOLDING, MOVES, OrderStatus, PaymentStatus, may_move, may_move_payment
from app.services.shelf import Move, move_copies

GATEWAY: Final = "gateway"
CLOCK: Final = "clock"
"""Who does what nobody of the users does, in an order's history."""

_KIND_OF: Final = {
    OrderStatus.PROCESSING: OrderEventKind.PROCESSING,
    OrderStatus.SHIPPED: OrderEventKind.SHIPPED,
    OrderStatus.DELIVERED: OrderEventKind.DELIVERED,
    OrderStatus.CANCELLED: OrderEventKind.CANCELLED,
    OrderStatus.EXPIRED: OrderEventKind.EXPIRED,
}

_TOLD_AS: Final[Mapping[OrderEventKind, Kind]] = {
    OrderEventKind.PAID: "order.paid",
    OrderEventKind.PAYMENT_FAILED: "order.payment_failed",
    OrderEventKind.SHIPPED: "order.shipped",
    OrderEventKind.CANCELLED: "order.cancelled",
    OrderEventKind.EXPIRED: "order.expired",
    OrderEventKind.REFUNDED: "order.refunded",
    OrderEventKind.REFUND_FAILED: "order.refund_failed",
}
"""What others hear of."""

_UNSETTLES: Final = frozenset({OrderEventKind.CANCELLED, OrderEventKind.EXPIRED, OrderEventKind.PAID_TOO_LATE})
"""After these the payment is called off, and what was paid is given back (`app.services.paying.settle`)."""


async def settle_paid(order_id: str, *, captured: int, attempt: Attempt) -> Order:
    """Note that `captured` minor units were taken for the order in all; its copies are sold then.

    An order that was cancelled or has expired stays so: its `refund_due` says what the caller gives back.

    Raises:
        NotFound: there is no such order.
    """
    order = await order_of(order_id, attempt)
    if order.captured >= captured:
        return order
    money = _money_is(captured=captured, refunded=order.refunded)
    if order.status is not OrderStatus.PENDING_PAYMENT:
        return await _change(
            order, OrderEventKind.PAID_TOO_LATE, attempt, payment_status=money, captured=captured, amount=captured
        )
    paid = await _change(
        order,
        OrderEventKind.PAID,
        attempt,
        status=OrderStatus.PAID,
        payment_status=money,
        captured=captured,
        amount=captured,
    )
    await move_copies(Move.SELL, paid.id, paid.lines, actor=GATEWAY, at=paid.updated_at, attempt=attempt)
    return paid


async def settle_processing(order_id: str, *, attempt: Attempt) -> Order:
    """Note that the gateway is at work on the order's payment, and can't tell the outcome yet."""
    order = await order_of(order_id, attempt)
    if not may_move_payment(order.payment_status, PaymentStatus.PROCESSING):
        return order
    return await _change(order, OrderEventKind.PAYMENT_PROCESSING, attempt, payment_status=PaymentStatus.PROCESSING)


async def settle_payment_failed(order_id: str, *, reason: str | None, attempt: Attempt) -> Order:
    """Note that a payment was refused; the order waits for another until it expires."""
    order = await order_of(order_id, attempt)
    if not may_move_payment(order.payment_status, PaymentStatus.FAILED):
        return order
    return await _change(
        order, OrderEventKind.PAYMENT_FAILED, attempt, payment_status=PaymentStatus.FAILED, reason=reason
    )


async def settle_payment_called_off(order_id: str, *, attempt: Attempt) -> Order:
    """Note that nobody is at work any more on a payment whose outcome was waited for: from now on it may expire."""
    order = await order_of(order_id, attempt)
    if order.status is not OrderStatus.PENDING_PAYMENT or order.payment_status is not PaymentStatus.PROCESSING:
        return order
    return await settle_payment_failed(order_id, reason="It was called off at the payment provider.", attempt=attempt)


async def settle_refunded(order_id: str, *, refunded: int, attempt: Attempt, reason: str | None = None) -> Order:
    """Note that `refunded` minor units were given back in all: fewer than before where a refund failed afterwards.

    Raises:
        Conflict: more than was captured.
    """
    order = await order_of(order_id, attempt)
    if refunded == order.refunded:
        return order
    if refunded > order.captured:
        raise Conflict("More would be given back than was taken.")
    return await _change(
        order,
        OrderEventKind.REFUNDED if refunded > order.refunded else OrderEventKind.REFUND_FAILED,
        attempt,
        payment_status=_money_is(captured=order.captured, refunded=refunded),
        refunded=refunded,
        amount=abs(refunded - order.refunded),
        reason=reason,
    )


async def release(order_id: str, *, to: OrderStatus, actor: str, attempt: Attempt, reason: str | None = None) -> Order:
    """End an order before it is shipped, as `cancelled` or `expired`: its copies go back on the shelf.

    What was paid is the returned order's `refund_due`; giving it back, and calling off an open payment, is the
    caller's, after the commit.

    Raises:
        InvalidTransition: it can't end so from where it is, with `allowed`.
    """
    order = await order_of(order_id, attempt)
    if order.status is to:
        return order
    require_move(order, to)
    ended = await _change(order, _KIND_OF[to], attempt, status=to, actor=actor, reason=reason)
    how = Move.RELEASE if order.status in HOLDING else Move.TAKE_BACK
    await move_copies(how, ended.id, ended.lines, actor=actor, at=ended.updated_at, attempt=attempt)
    return ended


async def advance(order_id: str, *, to: OrderStatus, actor: str, attempt: Attempt) -> Order:
    """Move a paid order on towards its reader; one that is there already stays.

    Raises:
        InvalidTransition: it can't go there from where it is, with `allowed`.
    """
    order = await order_of(order_id, attempt)
    if order.status is to:
        return order
    require_move(order, to)
    return await _change(order, _KIND_OF[to], attempt, status=to, actor=actor)


def staff_subject(order_id: str) -> str:
    """Return the subject of what staff hear about an order: it waits for no letter that its reader's server refuses."""
    return f"staff {order_id}"


async def order_of(order_id: str, attempt: Attempt) -> Order:
    """Return the order as this transaction sees it.

    Raises:
        NotFound: there is no such order.
    """
    order = await Order.of_id(order_id, attempt.session)
    if order is None:
        raise NotFound("There is no such order.")
    return order


def require_move(order: Order, to: OrderStatus) -> None:
    """Let an order go only where the table lets it.

    Raises:
        InvalidTransition: with `allowed`.
    """
    if not may_move(order.status, to):
        allowed = [status.value for status in OrderStatus if status in MOVES[order.status]]
        raise InvalidTransition(f"An order that is {order.status} can't become {to}.", allowed=allowed)


def _money_is(*, captured: int, refunded: int) -> PaymentStatus:
    if refunded == 0:
        return PaymentStatus.PAID
    return PaymentStatus.REFUNDED if refunded == captured else PaymentStatus.PARTIALLY_REFUNDED


async def _change(
    order: Order,
    kind: OrderEventKind,
    attempt: Attempt,
    *,
    actor: str = GATEWAY,
    reason: str | None = None,
    amount: int | None = None,
    **fields: Any,
) -> Order:
    event = OrderEvent(
        kind=kind,
        status=fields.get("status", order.status),
        payment_status=fields.get("payment_status", order.payment_status),
        actor=actor,
        reason=reason,
        amount=amount,
        at=clock.now(),
    )
    if event.status in ENDED and await User.is_gone(order.user_id, session=attempt.session):
        fields["shipping_address"] = order.forgotten_address
    changed = await order.change(event, attempt.session, **fields)
    if changed is None:
        raise Conflict("The order was changed in the meantime; look again.")
    if kind in _TOLD_AS:
        data: dict[str, str | int] = {"order_id": order.id} | ({"amount": amount} if amount is not None else {})
        subject = staff_subject(order.id) if kind is OrderEventKind.REFUND_FAILED else order.id
        await OutboxEvent.add(Event(_TOLD_AS[kind], subject, data), session=attempt.session)
    if kind in _UNSETTLES:
        # A subject of its own: no e-mail that can't be sent keeps money waiting.
        unsettled = Event("payment.unsettled", payment_id_of(order.id))
        await OutboxEvent.add(unsettled, session=attempt.session)
    return changed
