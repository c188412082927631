"""Ends orders that nobody paid in time, so that others can buy their copies."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from app import clock
from app.errors import PaymentGatewayUnavailable
from app.idempotency import Attempt
from app.ids import payment_id_of
from app.models.order import Order
from app.order_states import OrderStatus
from app.payments.stripe_gateway import NoGateway
from app.payments.till import Till
from app.services import fulfilment
from app.services.paying import call_off
from app.telemetry import logger

_SECONDS: Final = 8.0
"""For so long one round goes on at most: less than until the next, so that rounds don't keep every worker busy."""

_GRACE: Final = timedelta(minutes=10)
"""By so much longer an order waits where the gateway can't be asked; then its copies are others' to buy."""

_AT_ONCE: Final = 4
_BATCH: Final = 100


async def expire_unpaid_orders(till: Till, *, seconds: float = _SECONDS) -> int:
    """End every order whose time has run out; return how many this run ended.

    One that can't be ended is logged and tried again in the next round.

    Several may run at once, and payments may arrive meanwhile: whoever commits first decides, and a payment that comes
    after it is given back. An order that was paid in time is paid, whether its webhook came or not: the gateway calls
    the payment off before the order ends, or says that it can't. While the gateway is away the order waits, `_GRACE` at
    most; what was never told to the gateway doesn't.
    """
    end = clock.monotonic() + seconds
    ended = 0
    left: set[str] = set()
    off = _CallingOff(till)
    while overdue := await Order.overdue(at=clock.now(), limit=_BATCH, but=left):
        for first in range(0, len(overdue), _AT_ONCE):
            if clock.monotonic() >= end:
                return ended
            some = overdue[first : first + _AT_ONCE]
            outcomes = await asyncio.gather(*(_expire(off, order_id) for order_id in some), return_exceptions=True)
            left |= _left(some, outcomes)
            ended += outcomes.count(True)
    return ended


def _left(order_ids: Sequence[str], outcomes: Sequence[bool | BaseException]) -> set[str]:
    """Return those that weren't ended, and log why: whatever one order stumbled over keeps no other waiting."""
    for order_id, outcome in zip(order_ids, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            logger.error("an order can't be ended", extra={"order": order_id}, exc_info=outcome)
    return {order_id for order_id, outcome in zip(order_ids, outcomes, strict=True) if outcome is not True}


class _CallingOff:
    """Calls payments off; asks a gateway that is away no more in this round: each would be waited for in vain.

    It is away when it answers none of as many in a row as are asked at once: it may fail at one payment alone.
    """

    def __init__(self, till: Till) -> None:
        self.till = till
        self._in_vain = 0

    async def __call__(self, payment_id: str) -> None:
        try:
            asked = await call_off(self.till, payment_id)
        except PaymentGatewayUnavailable:
            self._in_vain += 1
            if self._in_vain >= _AT_ONCE:
                self.till = replace(self.till, gateway=NoGateway())
            raise
        if asked:
            self._in_vain = 0


async def _expire(off: _CallingOff, order_id: str) -> bool:
    try:
        await off(payment_id_of(order_id))
    except PaymentGatewayUnavailable:
        order = await Order.of_id(order_id)
        if order is None or clock.now() < order.expires_at + _GRACE:
            return False

    async def work(attempt: Attempt) -> bool:
        order = await fulfilment.order_of(order_id, attempt)
        if not order.is_overdue(at=clock.now()):
            return False
        await fulfilment.release(order_id, to=OrderStatus.EXPIRED, actor=fulfilment.CLOCK, attempt=attempt)
        return True

    return await off.till.commit(work)
