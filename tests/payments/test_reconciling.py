from datetime import timedelta

import httpx

from app import clock
from app.lifespan import Resources
from app.models.payment import Payment
from app.order_states import OrderStatus
from app.payments.till import Till
from app.services import fulfilment, reconciling
from app.services.paying import ASK_EVERY, pay_order, start_payment
from app.services.reconciling import reconcile
from tests.factories.orders import an_order, order_now, rows
from tests.payments.test_paying import TOTAL, VISA, books
from tests.payments.weather import Fault, Weather
from workers.schedule import SCHEDULE


async def time_passes(shop: Resources, by: timedelta = ASK_EVERY) -> None:
    """Let everything that is to happen later be due by so much earlier."""
    for collection, field in (("payments", "ask_at"), ("refunds", "free_at")):
        await shop.database.database[collection].update_many(
            {field: {"$type": "date"}},
            [{"$set": {field: {"$subtract": [f"${field}", by // timedelta(milliseconds=1)]}}}],
        )


async def test_a_lost_webhook_is_repaired(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    # given: the payer paid in the browser, and nobody told us
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")

    # when
    early = await reconcile(till)
    await time_passes(shop)
    settled = await reconcile(till)
    again = await reconcile(till)

    # then
    assert (early, settled, again) == (0, 1, 0)
    assert (await order_now(order)).status == OrderStatus.PAID
    assert await books(shop) == {("sales", "gateway"): TOTAL}


def test_a_lost_webhook_is_repaired_within_a_minute() -> None:
    every = SCHEDULE["ask about payments"]["schedule"]

    assert isinstance(every, float)
    assert ASK_EVERY.total_seconds() + 2 * every <= 60
    assert every > reconciling._SECONDS


async def test_who_never_pays_is_asked_about_until_the_order_ends(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await start_payment(till, order)

    # when
    rounds = []
    for _ in range(3):
        await time_passes(shop)
        rounds.append(await reconcile(till))
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))
    for _ in range(3):
        await time_passes(shop)
        rounds.append(await reconcile(till))

    # then
    assert rounds == [1, 1, 1, 1, 0, 0]
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert (found.status.value, found.ask_at) == ("cancelled", None)


async def test_a_gateway_that_is_away_is_asked_later(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given: the payer paid in the browser, nobody told us, and then the gateway goes away
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")
    weather.strike("", Fault.DOWN, times=1000)

    # when
    await time_passes(shop)
    away = await reconcile(till)
    weather.clear()
    early = await reconcile(till)
    await time_passes(shop)
    back = await reconcile(till)

    # then
    assert (away, early, back) == (0, 0, 1)
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_refunds_that_wait_are_given(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given: cancelled while the gateway was away
    order = await an_order(till, staff)
    paid = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    assert paid is not None
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    await Payment.ask_again(paid.id, at=clock.now())
    weather.strike("refunds", Fault.UNAVAILABLE)

    # when
    first = await reconcile(till)
    second = await reconcile(till)
    await time_passes(shop)
    await reconcile(till)

    # then
    assert (first, second) == (0, 0)
    assert [row["status"] for row in await rows(shop, "refunds")] == ["succeeded"]
    assert (await order_now(order)).payment_status.value == "refunded"
