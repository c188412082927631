"""Orders that can't be paid, or not any more: nothing stays held for them."""

from dataclasses import replace
from datetime import datetime

import httpx
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.errors import Conflict, PaymentGatewayUnavailable
from app.idempotency import Answer, Once
from app.ids import SESSION, USER, SessionId, UserId, new_id, payment_id_of
from app.lifespan import Resources
from app.models.order import Order
from app.models.payment import Payment
from app.money import MIN_CHARGE
from app.order_states import OrderStatus, PaymentState, PaymentStatus
from app.payments.gateway import IntentStatus
from app.payments.till import Till
from app.schemas.order import OrderInput
from app.security import Principal, Role
from app.services import fulfilment
from app.services.checkout import place_order
from app.services.paying import apply_intent, pay_order, settle, start_payment
from app.settings import Settings
from tests.factories.buying import a_stocked_book, an_address, stock
from tests.factories.orders import VISA, an_order, order_now

A_BUYER = Principal(UserId(new_id(USER)), SessionId(new_id(SESSION)), Role.CUSTOMER)


async def test_what_costs_too_little_to_be_charged_is_not_ordered(
    till: Till, shop: Resources, staff: httpx.AsyncClient, settings: Settings
) -> None:
    book = await a_stocked_book(staff, 4, price={"amount": MIN_CHARGE - 1, "currency": "USD"})
    given = OrderInput.model_validate({"items": [{"book_id": book, "quantity": 1}], "shipping_address": an_address()})
    once = Once[Order](None, lambda order: Answer(201, {}, order.id.encode()))
    no_shipping = settings.model_copy(update={"shipping_flat": 0})

    with pytest.raises(Conflict):
        await place_order(till, shop.stock, A_BUYER, given, settings=no_shipping, once=once)

    assert await stock(staff, book) == (4, 0)


async def test_a_gateway_that_refuses_for_good_is_reported_and_leaves_the_order_payable(
    till: Till, staff: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    # given: an amount that the gateway takes from nobody
    order = await an_order(till, staff, total=0)

    # when
    payment = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    with pytest.raises(PaymentGatewayUnavailable):
        await start_payment(till, order)

    # then
    assert payment is None
    reported = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert [(one["message"], one["order"]) for one in reported] == [("the gateway takes no payments", order.id)] * 2
    now = await order_now(order)
    assert (now.status, now.payment_status) == (OrderStatus.PENDING_PAYMENT, PaymentStatus.REQUIRES_PAYMENT)


async def test_a_payment_that_the_gateway_gave_up_leaves_the_order_to_expire(
    till: Till, staff: httpx.AsyncClient
) -> None:
    # given: the gateway was at work on it
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    at_work = replace(await till.gateway.fetch_intent(payment.intent_id), status=IntentStatus.PROCESSING)
    await apply_intent(till, payment, at_work)
    assert not (await order_now(order)).is_overdue(at=order.expires_at)

    # when
    await apply_intent(till, payment, await till.gateway.cancel_intent(payment.intent_id))

    # then
    after = await order_now(order)
    assert (after.payment_status, after.is_overdue(at=order.expires_at)) == (PaymentStatus.FAILED, True)


async def test_an_intent_that_is_attached_while_the_payment_is_called_off_takes_no_money(
    till: Till, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: somebody who found the order waiting attaches the intent just before the payment is called off
    order = await an_order(till, staff)
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    call_off = Payment.call_off

    async def after_the_intent(payment_id: str, *, at: datetime, session: AsyncClientSession) -> bool:
        await start_payment(till, order)
        return await call_off(payment_id, at=at, session=session)

    monkeypatch.setattr(Payment, "call_off", after_the_intent)

    # when
    off = await settle(till, payment_id_of(order.id))

    # then
    assert off.status == PaymentState.CANCELLED
    assert off.intent_id is not None
    assert (await till.gateway.fetch_intent(off.intent_id)).status == IntentStatus.CANCELED
