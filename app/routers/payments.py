"""Payments and refunds over HTTP."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from app.answers import private, response_of, written
from app.dependencies import CurrentUser, IdempotencyKey, NeededKey, Pages, Shop, Staff
from app.idempotency import Answer, Once
from app.models.payment import Payment
from app.models.refund import Refund
from app.pagination import Page
from app.paths import API
from app.routers.responses import STAFF_READ, STAFF_WRITE, Responses, links, problems
from app.schemas.book_query import ListQuery
from app.schemas.payment import (
    AdminPaymentQuery,
    AdminPaymentView,
    PaymentInput,
    PaymentQuery,
    PaymentView,
    RefundInput,
    RefundView,
)
from app.services import cashier

router = APIRouter(tags=["payments"])

_MADE: Final[Responses] = {201: {"links": links("payment_id", "get_payment", "verify_payment", "list_refunds")}}


def _refunded(refund: Refund) -> Answer:
    return replace(written(cashier.refund_view(refund), status=201, tagged=False), unfinished=refund.id)


@router.post(
    "/payments", status_code=201, response_model=PaymentView, responses=STAFF_WRITE | problems(402, 404, 409) | _MADE
)
async def pay(body: PaymentInput, shop: Shop, user: CurrentUser, key: NeededKey) -> Response:
    """Get ready to pay an order, or find how it is paid: an order has one payment, and its amount is the order's.

    Pay with `client_secret` in the gateway's own form in the browser, or at once with a `payment_method`.
    """

    def made(payment: Payment) -> Answer:
        shown = cashier.payment_view(payment, viewer=user)
        answer = written(shown, status=201, location=f"{API}/payments/{payment.id}", tagged=False)
        return replace(answer, unfinished=payment.id)

    return response_of(await cashier.pay(shop.till, user, body, claim=key, once=Once(key, made)))


@router.get("/payments", response_model=Page[PaymentView], responses=STAFF_READ | problems(400))
async def list_payments(
    request: Request, query: Annotated[PaymentQuery, Query()], shop: Shop, user: CurrentUser, pages: Pages
) -> Response:
    """List one's own payments, the newest first."""
    return private(request, await cashier.list_payments(shop.database, user, query, page=pages(query)))


@router.get("/payments/{payment_id}", response_model=PaymentView, responses=STAFF_READ | problems(404))
async def get_payment(payment_id: str, request: Request, shop: Shop, user: CurrentUser) -> Response:
    """Get a payment, as far as we know."""
    return private(request, await cashier.get_payment(shop.database, payment_id, user))


@router.post("/payments/{payment_id}/verify", response_model=PaymentView, responses=STAFF_WRITE | problems(404, 409))
async def verify_payment(payment_id: str, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Ask the gateway how the payment stands, and do what follows from it."""

    def now(payment: Payment) -> Answer:
        return written(cashier.payment_view(payment, viewer=user), tagged=False)

    return response_of(await cashier.verify(shop.till, payment_id, user, once=Once(key, now)))


@router.post(
    "/payments/{payment_id}/refunds",
    status_code=201,
    response_model=RefundView,
    responses=STAFF_WRITE | problems(404, 409),
)
async def refund_payment(
    payment_id: str, shop: Shop, staff: Staff, key: NeededKey, body: RefundInput | None = None
) -> Response:
    """Give back what was paid, or a part of it, never more; a refund is `pending` until the gateway has it.

    Without a body all that is left. With `elsewhere` the shop gave it in another way already, and the payment provider
    isn't asked.
    """
    once = Once[Refund](key, _refunded)
    given = body or RefundInput()
    return response_of(await cashier.refund(shop.till, payment_id, staff, given, claim=key, once=once))


@router.get(
    "/payments/{payment_id}/refunds", response_model=Page[RefundView], responses=STAFF_READ | problems(400, 404)
)
async def list_refunds(
    payment_id: str, request: Request, query: Annotated[ListQuery, Query()], shop: Shop, staff: Staff, pages: Pages
) -> Response:
    """List the refunds of a payment, the newest first."""
    return private(request, await cashier.list_refunds(shop.database, payment_id, page=pages(query)))


@router.get("/admin/payments", response_model=Page[AdminPaymentView], responses=STAFF_READ | problems(400))
async def list_all_payments(
    request: Request, query: Annotated[AdminPaymentQuery, Query()], shop: Shop, staff: Staff, pages: Pages
) -> Response:
    """List everybody's payments, the newest first."""
    return private(request, await cashier.list_all_payments(shop.database, staff, query, page=pages(query)))
