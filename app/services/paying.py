"""Takes money for orders: one payment each, which moves only by what the gateway says when it is asked."""

from datetime import timedelta
from functools import partial
from typing import Final

from app import clock
from app.errors import Conflict, NotFound, PaymentDeclined, PaymentGatewayUnavailable
from app.idempotency import Attempt
from app.models.ledger_entry import Account, LedgerEntry
from app.models.order import Order
from app.models.payment import OPEN, MadeIntent, Payment
from app.order_states import CALLED_OFF, PaymentState
from app.payments.gateway import Intent, IntentStatus, IntentUnknown, RequestRefused
from app.payments.till import Till
from app.services import fulfilment
from app.services.refunding import agree, give_back
from app.telemetry import logger

ASK_EVERY: Final = timedelta(minutes=10)
"""How often the gateway is asked about a payment of which it has nothing to tell, also in its record of events."""

_AT_WORK: Final = timedelta(days=1)
"""So long after an order ran out a payment is waited for that the gateway was at work on, and doesn't know any more."""

_UNPAID: Final = frozenset({PaymentState.REQUIRES_PAYMENT, PaymentState.FAILED, PaymentState.CANCELLED})
_WAITING: Final = frozenset(
    {IntentStatus.REQUIRES_PAYMENT_METHOD, IntentStatus.REQUIRES_CONFIRMATION, IntentStatus.REQUIRES_ACTION}
)


def payment_of(order: Order) -> Payment:
    """Return the payment that an order begins with; it is written down before the gateway hears of it."""
    moment = clock.now()
    return Payment(
        id=order.payment_id,
        order_id=order.id,
        user_id=order.user_id,
        amount=order.total,
        currency=order.currency,
        ask_at=moment + ASK_EVERY,
        created_at=moment,
        updated_at=moment,
    )


def require_payable(order: Order) -> None:
    """Let nobody pay for an order that has ended.

    Raises:
        Conflict: it has.
    """
    if order.status in CALLED_OFF:
        raise Conflict(f"The order is {order.status}; there is nothing to pay.")


async def start_payment(till: Till, order: Order, known: Payment | None = None) -> Payment:
    """Make the order's one payment ready to be paid, at the gateway too. Running it twice gives the same payment.

    `known` is the order's payment, where the caller has just written it down.

    The payment is in the database before the gateway is asked. Where the answer is lost, the next one asks again with
    the same key; an intent that nobody heard of has no payer, so it takes no money.

    Raises:
        Conflict: the order has ended.
        PaymentGatewayUnavailable: nothing is known, or it takes no payments from us; the order stays payable.
    """
    require_payable(order)
    payment = known
    if payment is None:
        payment = await till.writer.database.fresh(partial(_known, order.payment_id))
    if payment.intent_id is not None:
        return payment
    try:
        intent = await till.gateway.create_intent(
            payment_id=payment.id, order_id=order.id, amount=payment.amount, currency=payment.currency
        )
    except RequestRefused as error:
        # No payer can do anything about that, and most likely the shop sells nothing until somebody here does.
        told = {"order": order.id, "detail": error.detail, "reason": error.reason, "parameter": error.parameter}
        logger.error("the gateway takes no payments", extra=told)
        raise PaymentGatewayUnavailable("The payment provider takes no payments at the moment.") from error
    made = MadeIntent(payment.id, intent.id, intent.client_secret, at=clock.now())
    if await till.attachments.attach(made):
        attached: Payment = payment.model_copy(update=made.fields)
        return attached
    await Payment.attach_intent(made)
    payment = await _known(payment.id)
    if payment.intent_id != intent.id:
        # Another request was first, at a gateway that keeps no keys; or the order ended meanwhile.
        await till.gateway.cancel_intent(intent.id)
    if payment.intent_id is None:
        raise Conflict("The order has ended; there is nothing to pay.")
    return payment


async def confirm_payment(till: Till, payment: Payment, *, payment_method: str, attempt: str) -> Payment:
    """Take the money by a payment method of the gateway's. A payment is charged once, however often this runs.

    Raises:
        PaymentDeclined: it was refused; the order waits for another.
        PaymentGatewayUnavailable: nothing is known; the reconciler finds out.
    """
    assert payment.intent_id is not None
    try:
        intent = await till.gateway.confirm_intent(payment.intent_id, payment_method=payment_method, attempt=attempt)
    except PaymentDeclined:
        # The answer may be that of a request long ago, which the gateway kept under its key.
        intent = await till.gateway.fetch_intent(payment.intent_id)
        settled = await _settle(till, payment, intent)
        if settled.status in _UNPAID:
            raise
        return settled
    except RequestRefused as error:
        raise PaymentDeclined(f"The payment was refused: {error}", decline_code=error.reason) from error
    return await _settle(till, payment, intent)


async def pay_order(
    till: Till, order_id: str, *, payment_method: str | None, attempt: str, placed: Order | None = None
) -> Payment | None:
    """Start the payment of an order that was just placed, and take the money where a payment method is given.

    `placed` is the order, where the caller has placed it in this very request.

    None while the gateway is away: the order stays payable. Where the outcome is unknown, the payment as it is known.

    Raises:
        PaymentDeclined: the money was refused; the order waits for another payment.
    """
    order = placed or await Order.of_id(order_id)
    if order is None:
        raise NotFound("There is no such order.")
    try:
        payment = await start_payment(till, order, payment_of(order) if placed else None)
        if payment_method is not None and payment.status in OPEN:
            return await confirm_payment(till, payment, payment_method=payment_method, attempt=attempt)
    except PaymentGatewayUnavailable:
        logger.warning("payment put off", extra={"order": order_id})
        found = await Payment.of_id(order.payment_id)
        return found if found is not None and found.intent_id is not None else None
    except Conflict:
        return await Payment.of_id(order.payment_id)
    return payment


async def apply_intent(till: Till, payment: Payment, intent: Intent) -> Order | None:
    """Move payment, order and books by what the gateway says: the one way in which money is noted.

    Returns the order where it was told of money.

    Webhooks, the payer's request, `verify` and the reconciler all end here; whoever comes first has the effect, and
    whoever comes again finds it.
    """

    async def work(attempt: Attempt) -> Order | None:
        session, moment = attempt.session, clock.now()
        match intent.status:
            case IntentStatus.SUCCEEDED:
                news = await Payment.capture(payment.id, intent.received, at=moment, session=session)
                if news:
                    await _enter(payment, intent, news).post(session)
                    return await fulfilment.settle_paid(payment.order_id, captured=intent.received, attempt=attempt)
            case IntentStatus.PROCESSING | IntentStatus.REQUIRES_CAPTURE:
                if await Payment.note_state(payment.id, PaymentState.PROCESSING, at=moment, session=session):
                    await fulfilment.settle_processing(payment.order_id, attempt=attempt)
            case IntentStatus.CANCELED:
                await _note_called_off(payment, attempt)
            case _ if intent.failure is not None:
                failed, why = PaymentState.FAILED, intent.failure
                if await Payment.note_state(payment.id, failed, failure=why, at=moment, session=session):
                    await fulfilment.settle_payment_failed(payment.order_id, reason=why, attempt=attempt)
        return None

    return await till.commit(work)


async def call_off(till: Till, payment_id: str) -> bool:
    """See to it that nobody can pay any more, and note what the gateway says: it may have been paid before.

    Returns whether the gateway was asked.

    Raises:
        PaymentGatewayUnavailable: nothing is known.
    """
    payment = await _known(payment_id)
    if payment.intent_id is None or payment.status not in OPEN:
        return False
    try:
        found = await till.gateway.cancel_intent(payment.intent_id)
    except IntentUnknown:
        await till.commit(partial(_note_called_off, payment))
    else:
        await apply_intent(till, payment, found)
    return True


async def settle(till: Till, payment_id: str, *, refunds_too: bool = False, called_off_too: bool = False) -> Payment:
    """Bring the gateway, the payment and the order to agreement, and return the payment as it is then.

    With `refunds_too`, what somebody gave back at the gateway itself is entered as well, and what failed after it was
    given is taken back. With `called_off_too`, a payment that was called off is asked about, too: that may mean that
    the gateway didn't know the intent, with the key of another account; with the right one it may be paid.

    An order that ended is called off at the gateway; what came too late, or for a cancelled order, is given back.
    Runs for each notice of the gateway, each `verify`, and from the reconciler; twice, or at once, does no harm.

    Raises:
        NotFound: there is no such payment.
        PaymentGatewayUnavailable: nothing is known yet.
    """
    payment = await _known(payment_id)
    return await _settle(till, payment, refunds_too=refunds_too, called_off_too=called_off_too)


async def _settle(
    till: Till,
    payment: Payment,
    intent: Intent | None = None,
    *,
    refunds_too: bool = False,
    called_off_too: bool = False,
) -> Payment:
    payment_id = payment.id
    called_off = payment.status is PaymentState.CANCELLED and payment.intent_id is not None
    asked = payment.status in OPEN or (called_off and called_off_too)
    paid = await _ask(till, payment, intent) if asked else None
    if refunds_too and (payment := await _known(payment_id)).captured:
        await agree(till, payment)
    order = paid or await Order.of_id(payment.order_id)
    due = order is not None and order.refund_due > 0
    payment = await _known(payment_id)
    if due or payment.claimed > payment.refunded:
        await give_back(till, payment_id, due=due)
        payment = await _known(payment_id)
    if payment.status not in OPEN and payment.ask_at is not None:
        await Payment.ask_again(payment_id, at=None)
        return await _known(payment_id)
    return payment


async def _ask(till: Till, payment: Payment, intent: Intent | None) -> Order | None:
    if payment.intent_id is None:
        if not await _has_ended(payment) or await till.commit(partial(_call_off, payment.id)):
            return None
        # Whoever began to pay while the order was ending has attached an intent: it is the gateway's to call off now.
        payment = await _known(payment.id)
        if payment.intent_id is None:
            return None
    try:
        found = intent or await till.gateway.fetch_intent(payment.intent_id)
        if found.status in _WAITING and await _has_ended(payment):
            found = await till.gateway.cancel_intent(payment.intent_id)
    except IntentUnknown:
        if payment.status in OPEN and not await _has_ended(payment) and not await _is_given_up(payment):
            raise
        await till.commit(partial(_note_called_off, payment))
        return None
    return await apply_intent(till, payment, found)


async def _note_called_off(payment: Payment, attempt: Attempt) -> None:
    moment, session = clock.now(), attempt.session
    if await Payment.note_state(payment.id, PaymentState.CANCELLED, at=moment, session=session):
        await fulfilment.settle_payment_called_off(payment.order_id, attempt=attempt)


async def _has_ended(payment: Payment) -> bool:
    order = await Order.of_id(payment.order_id)
    return order is None or order.status in CALLED_OFF


async def _is_given_up(payment: Payment) -> bool:
    """Tell whether the gateway was at work on it long ago: such an order doesn't run out, and would hold its copies."""
    order = await Order.of_id(payment.order_id)
    late = order is not None and order.expires_at + _AT_WORK < clock.now()
    return late and payment.status is PaymentState.PROCESSING


async def _call_off(payment_id: str, attempt: Attempt) -> bool:
    return await Payment.call_off(payment_id, at=clock.now(), session=attempt.session)


async def _known(payment_id: str) -> Payment:
    payment = await Payment.of_id(payment_id)
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def _enter(payment: Payment, intent: Intent, amount: int) -> LedgerEntry:
    return LedgerEntry(
        source=f"{intent.id} {intent.received}",
        debit=Account.GATEWAY,
        credit=Account.SALES,
        amount=amount,
        currency=payment.currency,
        payment_id=payment.id,
        order_id=payment.order_id,
        at=clock.now(),
    )
