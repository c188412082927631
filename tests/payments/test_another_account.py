"""What becomes of payments while the shop runs with the key of another account, which knows none of them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.lifespan import Resources
from app.models.order import Order
from app.models.payment import Payment
from app.order_states import OrderStatus, PaymentState, PaymentStatus
from app.payments.gateway import IntentStatus, IntentUnknown
from app.payments.till import Till
from app.services import fulfilment
from app.services.expiring import expire_unpaid_orders
from app.services.hearing import hear
from app.services.paying import apply_intent, settle, start_payment
from app.services.reconciling import reconcile
from app.settings import Settings
from tests.factories.orders import VISA, an_order, order_now, rows
from tests.payments.test_gateway import signed
from tests.payments.test_paying import TOTAL, books
from tests.payments.test_webhooks import a_notice, deliver_all

Told = Callable[[Till, Payment, Settings], Awaitable[object]]


async def by_a_webhook(till: Till, payment: Payment, settings: Settings) -> None:
    notice = a_notice(payment.intent_id or "")
    await hear(till, notice, signature=signed(notice, settings.stripe_webhook_secret.get_secret_value()))
    await deliver_all(till)


async def by_the_record(till: Till, _: Payment, __: Settings) -> None:
    await reconcile(till)


async def by_who_verifies(till: Till, payment: Payment, _: Settings) -> None:
    await settle(till, payment.id, refunds_too=True, called_off_too=True)


async def known_as(shop: Resources, payment: Payment, intent_id: str | None) -> None:
    await shop.database.database["payments"].update_one({"_id": payment.id}, {"$set": {"intent_id": intent_id}})


@pytest.mark.parametrize("told", [by_a_webhook, by_the_record, by_who_verifies])
async def test_who_pays_once_the_right_key_is_back_gets_the_money_back(
    till: Till, shop: Resources, staff: httpx.AsyncClient, settings: Settings, told: Told
) -> None:
    # given: nobody knew the intent when the order ended
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    await known_as(shop, payment, "pi_of_another_account")
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))
    await deliver_all(till)
    assert (await settle(till, payment.id)).status is PaymentState.CANCELLED

    # when
    await known_as(shop, payment, payment.intent_id)
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")
    await told(till, payment, settings)
    await deliver_all(till)

    # then
    now = await order_now(order)
    assert (now.status, now.payment_status, now.refund_due) == (OrderStatus.EXPIRED, PaymentStatus.REFUNDED, 0)
    assert await books(shop) == {("sales", "gateway"): TOTAL, ("gateway", "sales"): TOTAL}


async def test_that_a_payment_was_called_off_is_no_news_afterwards(
    till: Till, shop: Resources, staff: httpx.AsyncClient, settings: Settings
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))
    await deliver_all(till)

    # when
    notice = a_notice(payment.intent_id or "", "payment_intent.canceled")
    await hear(till, notice, signature=signed(notice, settings.stripe_webhook_secret.get_secret_value()))

    # then
    assert await rows(shop, "outbox_events", kind="payment.unsettled") == []


@pytest.mark.parametrize("case", [(timedelta(hours=1), "pending_payment"), (timedelta(days=2), "expired")], ids=str)
async def test_copies_are_not_held_for_ever_for_what_was_under_way(
    till: Till, shop: Resources, staff: httpx.AsyncClient, case: tuple[timedelta, str]
) -> None:
    # given: the gateway was at work on it, and doesn't know it any more
    overdue_by, status = case
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    intent = await till.gateway.fetch_intent(payment.intent_id or "")
    await apply_intent(till, payment, replace(intent, status=IntentStatus.PROCESSING))
    await known_as(shop, payment, "pi_of_another_account")
    past = clock.now() - overdue_by
    await Order.get_pymongo_collection().update_one({"_id": order.id}, {"$set": {"expires_at": past}})

    # when the reconciler asks about it, and then time is up
    try:
        await settle(till, payment.id)
    except IntentUnknown:
        assert status == "pending_payment"
    await expire_unpaid_orders(till)

    # then
    assert (await order_now(order)).status.value == status
