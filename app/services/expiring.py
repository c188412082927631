"""Ends orders that nobody paid in time, so that others can buy their copies."""

import asyncio
from typing import Final

from app import clock
from app.idempotency import Attempt
from app.models.order import Order
from app.order_states import OrderStatus
from app.payments.till import Till
from app.services import fulfilment

_SECONDS: Final = 25.0
"""For so long one round goes on at most: within Celery's limits."""

_AT_ONCE: Final = 4
_BATCH: Final = 100


async def expire_unpaid_orders(till: Till, *, seconds: float = _SECONDS) -> int:
    """End every order whose time has run out; return how many this run ended.

    Several may run at once, and payments may arrive meanwhile: whoever commits first decides, and a payment that comes
    after it is given back. What the gateway is to be told stands in the outbox with each order's end.
    """
    end = clock.monotonic() + seconds
    ended = 0
    while clock.monotonic() < end:
        overdue = list(await Order.overdue(at=clock.now(), limit=_BATCH))
        before = ended
        while overdue and clock.monotonic() < end:
            some, overdue = overdue[:_AT_ONCE], overdue[_AT_ONCE:]
            ended += sum(await asyncio.gather(*(_expire(till, order_id) for order_id in some)))
        if ended == before:
            break
    return ended


async def _expire(till: Till, order_id: str) -> bool:
    async def work(attempt: Attempt) -> bool:
        order = await fulfilment.order_of(order_id, attempt)
        if not order.is_overdue(at=clock.now()):
            return False
        await fulfilment.release(order_id, to=OrderStatus.EXPIRED, actor=fulfilment.CLOCK, attempt=attempt)
        return True

    return await till.commit(work)
