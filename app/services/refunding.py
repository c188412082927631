"""Gives money back: promised within what was taken, asked of the gateway once, and then entered."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from pymongo.errors import DuplicateKeyError

from app import clock
from app.errors import NotFound, RefundExceedsCaptured
from app.events import Event
from app.idempotency import Attempt
from app.models.ledger_entry import Account, LedgerEntry
from app.models.outbox_event import OutboxEvent
from app.models.payment import Payment
from app.models.refund import Refund, RefundState
from app.payments.gateway import GatewayRefund, RefundStatus, RequestRefused
from app.payments.till import Till
from app.services import fulfilment
from app.telemetry import logger

ORDER_ENDED: Final = "order_ended"
"""The cause of the refund that an order gets which was paid and won't be delivered."""

REFUND_REFUSED: Final = "refund refused"
"""The notice, of ours, after which it is asked what was given by other hands, and what is left is promised anew."""

_SHOP: Final = "shop"
_GATEWAY: Final = "gateway"


async def promise(
    payment: Payment,
    *,
    amount: int,
    actor: str,
    attempt: Attempt,
    reason: str | None = None,
    claim: str | None = None,
    cause: str | None = None,
    elsewhere: bool = False,
) -> Refund:
    """Promise a refund within the caller's transaction: never more is promised than was taken.

    One that was given `elsewhere` is settled at once.

    Raises:
        RefundExceedsCaptured: with what is left as `refundable`.
    """
    moment = clock.now()
    if not await Payment.claim(payment.id, amount, at=moment, session=attempt.session):
        now = await Payment.of_id(payment.id, attempt.session)
        left = now.refundable if now is not None else 0
        raise RefundExceedsCaptured(
            "More than is left of what was paid can't be given back.",
            refundable={"amount": left, "currency": payment.currency},
        )
    refund = Refund(
        payment_id=payment.id,
        order_id=payment.order_id,
        amount=amount,
        currency=payment.currency,
        reason=reason,
        actor=actor,
        claim=claim,
        cause=cause,
        elsewhere=elsewhere,
        free_at=moment,
        created_at=moment,
        updated_at=moment,
    )
    await refund.promise(attempt.session)
    if elsewhere:
        await _succeed(refund, gateway_id=None, attempt=attempt)
        refund.status = RefundState.SUCCEEDED
    return refund


async def give_back(till: Till, payment_id: str, *, due: bool) -> None:
    """Give back what was promised for a payment; where its order ended (`due`), all that is left of it.

    Raises:
        PaymentGatewayUnavailable: it is tried again later.
    """
    if due:
        await _promise_the_rest(till, payment_id)
    for refund in await Refund.pending_of(payment_id):
        await perform(till, refund.id)
    while due and (smaller := await _promise_the_rest(till, payment_id)) is not None:
        await perform(till, smaller.id)


async def perform(till: Till, refund_id: str) -> Refund:
    """Ask the gateway for a promised refund, and enter it. Twice, or at once, gives one refund.

    One asks at a time. From the second attempt on the gateway is first asked what it gave: keys end after a day.
    What it refuses it may have given by other hands, which is entered in its place.

    Raises:
        NotFound: there is no such refund.
        PaymentGatewayUnavailable: nothing is known; it is tried again after a while.
    """
    refund = await Refund.take(refund_id, now=clock.now())
    if refund is not None:
        payment = await Payment.of_id(refund.payment_id)
        assert payment is not None
        assert payment.intent_id is not None
        try:
            given = await _given(till, refund, payment.intent_id)
        except RequestRefused as error:
            logger.error("refund refused", extra={"refund": refund_id, "detail": str(error)})
            known = await _all_given(till, payment.intent_id)
            await _enter(till, refund, None)
            await _agree_with(till, payment, known)
        else:
            await _enter(till, refund, given)
    return await found(refund_id)


async def found(refund_id: str) -> Refund:
    """Return the refund as it is now.

    Raises:
        NotFound: there is no such refund.
    """
    refund = await Refund.of_id(refund_id)
    if refund is None:
        raise NotFound("There is no such refund.")
    return refund


async def agree(till: Till, payment: Payment) -> None:
    """Enter what only the gateway knows of the payment's refunds, once each.

    That is what was given back there, in its dashboard, without us; and what it couldn't give back after all: a bank
    may refuse days after a refund was called done (docs.stripe.com/refunds#failed-refunds). That money is ours again,
    and people have to find another way to give it.

    Raises:
        PaymentGatewayUnavailable: nothing is known.
    """
    assert payment.intent_id is not None
    await _agree_with(till, payment, await till.gateway.refunds_of(payment.intent_id))


async def _all_given(till: Till, intent_id: str) -> Sequence[GatewayRefund]:
    try:
        return await till.gateway.refunds_of(intent_id)
    except RequestRefused:
        return ()  # it doesn't know the payment at all


async def _agree_with(till: Till, payment: Payment, known_there: Sequence[GatewayRefund]) -> None:
    for given in known_there:
        # Whoever gave it may not have entered it yet: then the gateway's id is unknown here, and ours is known there.
        known = await Refund.of_gateway(given.id) or (await Refund.of_id(given.refund_id) if given.refund_id else None)
        if given.status is not RefundStatus.FAILED:
            if known is None:
                await _adopt_once(till, payment, given)
        elif known is not None and known.status is not RefundState.FAILED:
            await till.commit(partial(_fail, known.id, given))


async def _adopt_once(till: Till, payment: Payment, given: GatewayRefund) -> None:
    try:
        await till.commit(partial(_adopt, payment, given))
    except DuplicateKeyError:
        return  # another process did
    except RefundExceedsCaptured:
        logger.error("a refund of the gateway's own doesn't fit", extra={"refund": given.id})


async def _adopt(payment: Payment, given: GatewayRefund, attempt: Attempt) -> None:
    if given.refund_id is not None and await Refund.of_id(given.refund_id, attempt.session) is not None:
        return  # ours, and on its way
    refund = await promise(
        payment, amount=given.amount, actor=_GATEWAY, attempt=attempt, cause=f"{_GATEWAY} {given.id}",
        reason="Given back at the payment provider.",
    )  # fmt: skip
    await _settle(refund, given, attempt)


async def _given(till: Till, refund: Refund, intent_id: str) -> GatewayRefund:
    if refund.attempts > 1:
        for one in await till.gateway.refunds_of(intent_id):
            if one.refund_id == refund.id:
                return one
    return await till.gateway.refund(intent_id, refund_id=refund.id, amount=refund.amount)


async def _enter(till: Till, refund: Refund, given: GatewayRefund | None) -> None:
    await till.commit(partial(_settle, refund, given))


async def _settle(refund: Refund, given: GatewayRefund | None, attempt: Attempt) -> None:
    session, moment = attempt.session, clock.now()
    gateway_id = given.id if given is not None else None
    if given is not None and given.status is not RefundStatus.FAILED:
        await _succeed(refund, gateway_id=gateway_id, attempt=attempt)
        return
    if not await Refund.settle(refund.id, RefundState.FAILED, gateway_id=gateway_id, at=moment, session=session):
        return
    logger.error("refund refused", extra={"refund": refund.id, "order": refund.order_id})
    await Payment.disclaim(refund.payment_id, refund.amount, at=moment, session=session)
    # Who asked for it may be gone by now, or nobody: staff hear of it as of one that fails later.
    about: dict[str, str | int] = {"order_id": refund.order_id, "amount": refund.amount}
    failed = Event("order.refund_failed", fulfilment.staff_subject(refund.order_id), about)
    await OutboxEvent.add(failed, session=session)
    # Whoever looked meanwhile whether anything is due found all of it promised; and whoever asked here may die now.
    unsettled = Event("payment.unsettled", refund.payment_id, {"notice": REFUND_REFUSED})
    await OutboxEvent.add(unsettled, session=session)


async def _succeed(refund: Refund, *, gateway_id: str | None, attempt: Attempt) -> None:
    session, moment = attempt.session, clock.now()
    if not await Refund.settle(refund.id, RefundState.SUCCEEDED, gateway_id=gateway_id, at=moment, session=session):
        return
    payment = await Payment.give_back(refund.payment_id, refund.amount, at=moment, session=session)
    credit = Account.ELSEWHERE if refund.elsewhere else Account.GATEWAY
    await _moved(refund, source=refund.id, debit=Account.SALES, credit=credit, at=moment).post(session)
    await fulfilment.settle_refunded(refund.order_id, refunded=payment.refunded, attempt=attempt, reason=refund.reason)


async def _fail(refund_id: str, given: GatewayRefund, attempt: Attempt) -> None:
    """Note that it failed, whether its success was entered before, or comes later and finds it settled."""
    refund = await Refund.of_id(refund_id, attempt.session)
    if refund is not None and refund.status is RefundState.SUCCEEDED:
        await _bounce(refund, attempt)
    elif refund is not None:
        await _settle(refund, given, attempt)


async def _bounce(refund: Refund, attempt: Attempt) -> None:
    session, moment = attempt.session, clock.now()
    if not await Refund.bounce(refund.id, at=moment, session=session):
        return
    logger.error("a refund failed after it was given", extra={"refund": refund.id, "order": refund.order_id})
    payment = await Payment.take_back(refund.payment_id, refund.amount, at=moment, session=session)
    source = f"{refund.id} failed"
    await _moved(refund, source=source, debit=Account.GATEWAY, credit=Account.SALES, at=moment).post(session)
    await fulfilment.settle_refunded(refund.order_id, refunded=payment.refunded, attempt=attempt)


def _moved(refund: Refund, *, source: str, debit: Account, credit: Account, at: datetime) -> LedgerEntry:
    return LedgerEntry(
        source=source,
        debit=debit,
        credit=credit,
        amount=refund.amount,
        currency=refund.currency,
        payment_id=refund.payment_id,
        order_id=refund.order_id,
        at=at,
    )


async def _promise_the_rest(till: Till, payment_id: str) -> Refund | None:
    """Promise all that is left, once; and less, where the gateway refused more: part of it was given by other hands."""

    async def work(attempt: Attempt) -> Refund | None:
        payment = await Payment.of_id(payment_id, attempt.session)
        if payment is None or payment.refundable <= 0:
            return None
        left = payment.refundable
        before = await Refund.of_cause(payment_id, ORDER_ENDED, attempt.session)
        if any(not one.was_refused or one.amount <= left for one in before):
            return None
        return await promise(
            payment, amount=left, actor=_SHOP, attempt=attempt, cause=f"{ORDER_ENDED} {left}",
            reason="The order was paid, and won't be delivered.",
        )  # fmt: skip

    try:
        return await till.commit(work)
    except DuplicateKeyError:
        return None  # another process promised it at the same moment
