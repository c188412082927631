"""Takes in what the gateway tells: noted once, answered at once, and acted upon afterwards."""

from pymongo.errors import DuplicateKeyError

from app import clock
from app.events import Event
from app.idempotency import Attempt
from app.models.outbox_event import OutboxEvent
from app.models.payment import OPEN, Payment
from app.models.webhook_event import WebhookEvent
from app.order_states import PaymentState
from app.payments.gateway import RequestRefused
from app.payments.till import Till
from app.services.paying import settle
from app.services.refunding import REFUND_REFUSED
from app.telemetry import logger


async def hear(till: Till, body: bytes, *, signature: str | None) -> None:
    """Put a notice into the inbox, with the event that lets a worker ask the gateway what is true.

    A notice says only whom to ask about: it may be old, come again, or come before an earlier one. One that is
    in the inbox is heard no second time.

    Raises:
        WebhookSignatureInvalid: it isn't the gateway's, or too old.
        MalformedJson: it is no event.
    """
    notice = till.gateway.read_event(body, signature)
    payment = await _payment_of(till, notice.intent_id) if notice.intent_id is not None else None
    received = WebhookEvent(id=notice.id, kind=notice.kind, intent_id=notice.intent_id, received_at=clock.now())
    if payment is None or _is_known(notice.kind, payment):
        # Nobody of ours, or no news: whoever pays with the order itself is told of it in the answer.
        await received.note()
        return
    unsettled = Event("payment.unsettled", payment.id, {"notice": notice.kind})

    async def work(attempt: Attempt) -> None:
        await received.receive(attempt.session)
        await OutboxEvent.add(unsettled, session=attempt.session)

    try:
        await till.commit(work)
    except DuplicateKeyError:
        return  # heard before


async def heed(till: Till, payment_id: str, *, notice: str) -> None:
    """Find out what is true after a notice of this kind, whether it was told or found in the gateway's record.

    Without one nobody told anything: the order ended, and its payment with it.

    Raises:
        NotFound: there is no such payment.
        PaymentGatewayUnavailable: nothing is known yet.
    """
    if "dispute" in notice:
        # The bank takes money back, or asks why it was taken: for people to answer, at the gateway.
        logger.error("a payment is disputed", extra={"payment": payment_id, "notice": notice})
    try:
        await settle(till, payment_id, refunds_too="refund" in notice, called_off_too=bool(notice))
    except RequestRefused as error:
        if notice != REFUND_REFUSED:
            raise
        # It doesn't know the payment at all, so it gave nothing by other hands; staff were told.
        logger.error("a refund can't be looked into", extra={"payment": payment_id, "error": str(error)})


def _is_known(kind: str, payment: Payment) -> bool:
    # What was called off may be paid all the same: by an intent that the gateway didn't know when it was asked.
    is_late = payment.status is PaymentState.CANCELLED and kind == "payment_intent.succeeded"
    return kind.startswith("payment_intent.") and payment.status not in OPEN and not is_late


async def _payment_of(till: Till, intent_id: str) -> Payment | None:
    # A notice that is taken for somebody else's is noted, and never looked at again.
    return await till.writer.database.fresh(lambda: Payment.of_intent(intent_id))
