"""Finds out what nobody told us about payments: webhooks get lost, processes die, gateways are away for a while.

The gateway keeps a record of what happened; reading it costs as much as there is news, however many orders wait.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pymongo.errors import PyMongoError

from app import clock
from app.errors import DeadlineExceeded, DependencyUnavailable
from app.models.gateway_mark import GatewayMark
from app.models.payment import Payment
from app.models.refund import Refund
from app.models.webhook_event import WebhookEvent
from app.payments.gateway import GatewayEvent
from app.payments.till import Till
from app.services.hearing import heed
from app.services.paying import ASK_EVERY, settle
from app.telemetry import logger

_SECONDS: Final = 8.0
"""After so long a round begins nothing more: less than until the next, so that rounds don't keep every worker busy."""

_CATCHING_UP: Final = 0.75
"""The share of a round that news gets: a backlog takes nothing from refunds that wait, which nobody else gives."""

_AT_ONCE: Final = 8
_BATCH: Final = 200
_REFUNDS: Final = 200
_ASKED: Final = 100
"""So many payments are asked about in one round: nobody waits for this, and it must take nothing from who does."""

_LATE: Final = timedelta(seconds=10)
"""By so much later than it happened an event may show up in the gateway's record."""

_FIRST_LOOK: Final = timedelta(hours=1)

_SPAN: Final = timedelta(minutes=10)
"""Of a record that wasn't read for long, so much is read at once; twice as much after each piece without any event."""

_LONGEST_SPAN: Final = timedelta(hours=6)
"""So much at most: what is read at once is held in memory."""

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By so much the gateway's clock and ours may differ: what is newer by ours may not be over by the gateway's."""


async def reconcile(till: Till, *, seconds: float = _SECONDS) -> int:
    """Settle every payment of which the gateway has news, is due to be asked about, or has refunds that wait.

    Returns how many were settled. Several may run at once, twice does no harm. What a gateway that is away should have
    been asked about is due again after `ASK_EVERY`.
    """
    end = clock.monotonic() + seconds
    asking = (1 - _CATCHING_UP) * seconds
    try:
        settled = await _catch_up(till, until=end - asking)
    except (DependencyUnavailable, PyMongoError) as error:
        logger.warning("a round of catching up ended early", extra={"error": str(error)})
        settled = 0
    return settled + await _ask(till, until=max(end, clock.monotonic() + asking))


async def _catch_up(till: Till, *, until: float) -> int:
    """Settle what the gateway tells of in its record and no webhook did; remember how far it was read.

    After a long silence the record is read piece by piece, at least one a round, each noted when it is dealt with, so
    that no backlog is too long. What could not be dealt with now is read again in the next round.
    """
    begin = (await GatewayMark.read_until() or clock.now() - _FIRST_LOOK) - _LATE
    span, settled, through = _SPAN, 0, True
    while True:
        end = begin + span
        is_past = end < clock.now() - _CLOCKS_DIFFER
        events = await till.gateway.events_since(begin, before=end if is_past else None)
        in_order = sorted(events, key=lambda event: event.sent_at)
        count, through = await _hear_all(till, in_order, until=until, through=through)
        settled += count
        if not is_past:
            return settled
        if through:
            await GatewayMark.move(end)
        if clock.monotonic() > until:
            return settled
        begin, span = end, _SPAN if events else min(2 * span, _LONGEST_SPAN)


async def _hear_all(till: Till, events: Sequence[GatewayEvent], *, until: float, through: bool) -> tuple[int, bool]:
    """Deal with these events, the oldest first; return of how many there was news, and whether all are dealt with.

    `through` says whether all before them are: the mark stays where something must be heard again.
    """
    settled = 0
    for first in range(0, len(events), _BATCH):
        if first and clock.monotonic() > until:
            return settled, False
        some = events[first : first + _BATCH]
        news = await _news(till, some)
        for few in range(0, len(news), _AT_ONCE):
            if few and clock.monotonic() > until:
                return settled, False
            group = news[few : few + _AT_ONCE]
            hearing = (_hear(till, *one) for one in group)
            through = _all_heard(await asyncio.gather(*hearing, return_exceptions=True)) and through
            settled += len(group)
        if through:
            await GatewayMark.move(some[-1].sent_at)
    return settled, through


async def _news(till: Till, events: Sequence[GatewayEvent]) -> list[tuple[str, GatewayEvent]]:
    """Return the events about payments of ours that didn't come as webhooks, with the payments' ids."""
    known = await WebhookEvent.among([event.id for event in events])
    intents = [event.intent_id for event in events if event.intent_id]
    # An event that is taken for somebody else's is never looked at again.
    payments = await till.writer.database.fresh(lambda: Payment.ids_of_intents(intents))
    return [
        (payments[event.intent_id], event)
        for event in events
        if event.id not in known and event.intent_id is not None and event.intent_id in payments
    ]


async def _hear(till: Till, payment_id: str, event: GatewayEvent) -> None:
    await heed(till, payment_id, notice=event.kind)
    await WebhookEvent(id=event.id, kind=event.kind, intent_id=event.intent_id, received_at=clock.now()).note()


def _all_heard(outcomes: Sequence[object]) -> bool:
    """Tell whether none must be heard again.

    What one payment stumbles over keeps no other waiting. What the gateway didn't answer, or an election or a crowd
    came between, is told again.
    """
    heard = True
    for error in outcomes:
        if isinstance(error, DependencyUnavailable | DeadlineExceeded | PyMongoError):
            logger.warning("news of a payment must wait", extra={"error": str(error)[:300]})
            heard = False
        elif isinstance(error, BaseException):
            logger.error("news of a payment can't be dealt with", exc_info=error)
    return heard


async def _ask(till: Till, *, until: float) -> int:
    waiting = deque(await Refund.waiting(now=clock.now(), limit=_REFUNDS))
    settled = 0
    left = _ASKED

    async def work() -> None:
        nonlocal settled, left
        while clock.monotonic() < until and (waiting or left > 0):
            left -= (is_due := not waiting)
            payment_id = await _take_due() if is_due else waiting.popleft()
            if payment_id is None:
                return
            [outcome] = await asyncio.gather(settle(till, payment_id), return_exceptions=True)
            _all_heard([outcome])
            settled += isinstance(outcome, Payment)
            if is_due and isinstance(outcome, DependencyUnavailable):
                return  # what was taken in vain isn't due again for long

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
