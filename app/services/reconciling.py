"""Asks about payments that nobody told us of: webhooks get lost, processes die, gateways are away for a while."""

import asyncio
from typing import Final

from app import clock
from app.errors import DependencyUnavailable
from app.models.payment import Payment
from app.models.refund import Refund
from app.payments.till import Till
from app.services.paying import ASK_EVERY, settle
from app.telemetry import logger

_SECONDS: Final = 8.0
"""For so long one round goes on at most: less than until the next, so that rounds don't keep every worker busy."""

_AT_ONCE: Final = 8
_REFUNDS: Final = 200


async def reconcile(till: Till, *, seconds: float = _SECONDS) -> int:
    """Settle every payment that is due to be asked about, or has refunds that wait; return how many were settled.

    Several may run at once: each takes what the others haven't. A gateway that is away ends the round; what was
    taken is due again after `ASK_EVERY`.
    """
    end = clock.monotonic() + seconds
    waiting = await Refund.waiting(now=clock.now(), limit=_REFUNDS)
    settled = 0

    async def work() -> None:
        nonlocal settled
        while clock.monotonic() < end:
            payment_id = waiting.pop() if waiting else await _take_due()
            if payment_id is None:
                return
            await settle(till, payment_id)
            settled += 1

    outcomes = await asyncio.gather(*(work() for _ in range(_AT_ONCE)), return_exceptions=True)
    for error in outcomes:
        if isinstance(error, DependencyUnavailable):
            logger.warning("a round of asking ended early", extra={"error": str(error)})
        elif error is not None:
            raise error
    return settled


async def _take_due() -> str | None:
    now = clock.now()
    payment = await Payment.take_due(now=now, until=now + ASK_EVERY)
    return payment.id if payment is not None else None
