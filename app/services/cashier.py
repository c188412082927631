"""Serves those who pay, and staff who give money back: what they ask of payments, answered once for each key."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.conditional import body_of
from app.database import Database
from app.errors import (
    IdempotencyKeyReused,
    NotFound,
    PaymentGatewayUnavailable,
    PermissionDenied,
    RefundExceedsCaptured,
)
from app.idempotency import Answer, Attempt, Claim, Once
from app.ids import OrderId, payment_id_of
from app.models.order import Order
from app.models.payment import OPEN, Payment
from app.models.refund import Refund
from app.money import Money
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.payments.till import Till
from app.schemas.payment import (
    AdminPaymentQuery,
    AdminPaymentView,
    PaymentInput,
    PaymentQuery,
    PaymentView,
    RefundInput,
    RefundView,
)
from app.security import Principal
from app.services import refunding
from app.services.paying import confirm_payment, require_payable, settle, start_payment


def payment_view(payment: Payment, *, viewer: Principal) -> PaymentView:
    """Return the payment as this person sees it; only the payer learns the secret to pay with."""
    return PaymentView(
        id=payment.id,
        order_id=payment.order_id,
        status=payment.status,
        amount=_money(payment.amount, payment),
        captured=_money(payment.captured, payment),
        refunded=_money(payment.refunded, payment),
        failure=payment.failure,
        client_secret=payment.client_secret if payment.user_id == viewer.user_id else None,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )


def refund_view(refund: Refund) -> RefundView:
    """Return the refund as staff see it."""
    return RefundView(
        id=refund.id,
        payment_id=refund.payment_id,
        order_id=refund.order_id,
        amount=Money(amount=refund.amount, currency=refund.currency),
        status=refund.status,
        reason=refund.reason,
        elsewhere=refund.elsewhere,
        created_at=refund.created_at,
        updated_at=refund.updated_at,
    )


async def pay(till: Till, payer: Principal, given: PaymentInput, *, claim: Claim, once: Once[Payment]) -> Answer:
    """Make the order's one payment, or find it; with a payment method, take the money at once.

    A repeat gives the same answer; where the first one was lost on its way to the gateway, it goes on from there.

    Raises:
        NotFound: there is no such order, or it is somebody else's.
        PermissionDenied: it is somebody else's, which staff see.
        Conflict: the order has ended.
        PaymentDeclined: the money was refused; the order waits for another payment.
        PaymentGatewayUnavailable: nothing is known; the same request again finds out.
    """

    async def work(attempt: Attempt) -> Payment:
        # The key is claimed before anybody is charged: of two requests under one key only one may go on.
        order = await Order.of_id(given.order_id, attempt.session)
        if order is None or (order.user_id != payer.user_id and not payer.is_staff):
            raise NotFound("You have no such order.")
        if order.user_id != payer.user_id:
            raise PermissionDenied("Only who placed an order pays it.")
        require_payable(order)
        return await _payment(order.payment_id, attempt)

    answer = await once.perform(till.writer, work)
    if answer.unfinished is None:
        return answer
    order = await Order.of_id(given.order_id)
    assert order is not None, "orders are never deleted"
    payment = await start_payment(till, order)
    if given.payment_method is not None and payment.status in OPEN:
        payment = await confirm_payment(till, payment, payment_method=given.payment_method, attempt=claim.id)
    return await once.finish(answer, body_of(payment_view(payment, viewer=payer)))


async def verify(till: Till, payment_id: str, user: Principal, *, once: Once[Payment]) -> Answer:
    """Ask the gateway, and apply what it says as a webhook would.

    Raises:
        NotFound: there is no such payment, or it is somebody else's.
        PaymentGatewayUnavailable: nothing is known yet.
    """
    earlier = await once.earlier()
    if earlier is not None:
        return earlier
    payment = await _visible(payment_id, user)
    await settle(till, payment.id, refunds_too=True, called_off_too=True)

    async def work(attempt: Attempt) -> Payment:
        return await _payment(payment.id, attempt)

    return await once.perform(till.writer, work)


async def refund(
    till: Till, payment_id: str, staff: Principal, given: RefundInput, *, claim: Claim, once: Once[Refund]
) -> Answer:
    """Promise a refund, and ask the gateway for it; while that is away the refund is `pending`, and given later.

    What staff gave back elsewhere is entered, and the gateway isn't asked.

    A refund lasts longer than the answer that is kept under its key: sent again after that, it is found, and told as it
    is then.

    Raises:
        NotFound: there is no such payment.
        RefundExceedsCaptured: with what is left as `refundable`.
        IdempotencyKeyReused: the key came with another refund.
    """

    async def work(attempt: Attempt) -> Refund:
        payment = await _payment(payment_id, attempt)
        earlier = await Refund.of_claim(claim.id, attempt.session)
        if earlier is not None:
            return _the_same(earlier, payment, given)
        amount = given.amount.amount if given.amount is not None else payment.refundable
        if amount <= 0:
            left = {"amount": 0, "currency": payment.currency}
            raise RefundExceedsCaptured("There is nothing left to give back.", refundable=left)
        return await refunding.promise(
            payment, amount=amount, actor=staff.user_id, attempt=attempt, reason=given.reason, claim=claim.id,
            elsewhere=given.elsewhere,
        )  # fmt: skip

    answer = await once.perform(till.writer, work)
    if answer.unfinished is None:
        return answer
    try:
        found = await refunding.perform(till, answer.unfinished)
    except PaymentGatewayUnavailable:
        found = await refunding.found(answer.unfinished)
    return await once.finish(answer, body_of(refund_view(found)))


async def get_payment(database: Database, payment_id: str, user: Principal) -> PaymentView:
    """Return one of the user's payments; staff see everybody's.

    Raises:
        NotFound: there is no such payment, or it is somebody else's.
    """
    return payment_view(await database.fresh(lambda: _visible(payment_id, user)), viewer=user)


async def list_payments(
    database: Database, user: Principal, asked: PaymentQuery, *, page: PageRequest
) -> Page[PaymentView]:
    """Return the user's payments, the newest first; of the orders asked for, which staff see too."""
    whose = {} if user.is_staff and asked.order_id else {"user_id": user.user_id}
    query = whose | _of_orders(asked.order_id)
    found, total = await _page(database, query, page)
    return page.page_of([((one.id,), payment_view(one, viewer=user)) for one in found], total)


async def list_all_payments(
    database: Database, staff: Principal, asked: AdminPaymentQuery, *, page: PageRequest
) -> Page[AdminPaymentView]:
    """Return everybody's payments, narrowed as asked for, the newest first."""
    query = {field: {"$in": getattr(asked, field)} for field in ("status", "user_id") if getattr(asked, field)}
    query |= _of_orders(asked.order_id)
    found, total = await _page(database, query, page)
    return page.page_of(
        [
            (
                (one.id,),
                AdminPaymentView(payment=payment_view(one, viewer=staff), user_id=one.user_id, intent_id=one.intent_id),
            )
            for one in found
        ],
        total,
    )


async def list_refunds(database: Database, payment_id: str, *, page: PageRequest) -> Page[RefundView]:
    """Return the refunds of a payment, the newest first.

    Raises:
        NotFound: there is no such payment.
    """
    before = page.after[0] if page.after else None

    async def read() -> list[Refund]:
        if await Payment.of_id(payment_id) is None:
            raise NotFound("There is no such payment.")
        return await Refund.page(payment_id, before=before, limit=page.fetch)

    found = await database.fresh(read)
    total = await Refund.count_of(payment_id, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return page.page_of([((one.id,), refund_view(one)) for one in found], total)


async def _payment(payment_id: str, attempt: Attempt) -> Payment:
    payment = await Payment.of_id(payment_id, attempt.session)
    if payment is None:
        raise NotFound("There is no such payment.")
    return payment


def _the_same(earlier: Refund, payment: Payment, given: RefundInput) -> Refund:
    amount = given.amount.amount if given.amount is not None else earlier.amount
    asked = (payment.id, amount, given.reason, given.elsewhere)
    if (earlier.payment_id, earlier.amount, earlier.reason, earlier.elsewhere) != asked:
        raise IdempotencyKeyReused("This Idempotency-Key was sent with another refund before.")
    return earlier


async def _visible(payment_id: str, user: Principal) -> Payment:
    payment = await Payment.of_id(payment_id)
    if payment is None or (payment.user_id != user.user_id and not user.is_staff):
        raise NotFound("There is no such payment.")
    return payment


def _of_orders(order_ids: Sequence[OrderId]) -> dict[str, Any]:
    # By the payments' own ids: an index on their orders would know nothing else.
    ids = [payment_id_of(one) for one in order_ids]
    return {"_id": {"$in": ids}, "order_id": {"$in": list(order_ids)}} if ids else {}


async def _page(database: Database, query: Mapping[str, Any], page: PageRequest) -> tuple[list[Payment], int | None]:
    before = page.after[0] if page.after else None
    found = await database.fresh(lambda: Payment.page(query, before=before, limit=page.fetch))
    total = await Payment.count_matching(query, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return found, total


def _money(amount: int, payment: Payment) -> Money:
    return Money(amount=amount, currency=payment.currency)
