"""What keeps failing keeps nothing else waiting, and what was interrupted is taken up again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.database import Database
from app.errors import PaymentGatewayUnavailable
from app.ids import new_id
from app.lifespan import Resources
from app.models.order import Order
from app.models.outbox_event import OutboxEvent
from app.models.payment import Payment
from app.models.refund import Refund
from app.order_states import OrderStatus
from app.payments.gateway import GatewayRefund
from app.payments.till import Till
from app.services import expiring, fulfilment, paying, reconciling, refunding
from app.services.delivering import deliver
from app.services.expiring import expire_unpaid_orders
from app.services.hearing import heed
from app.services.paying import settle, start_payment
from app.services.reconciling import reconcile
from tests.factories.orders import an_order, an_order_paid_in_the_browser, order_now, rows
from tests.payments.test_paying import TOTAL, paid
from tests.payments.test_reconciling import the_record_was_read, time_passes
from tests.payments.test_refunding import promised
from tests.payments.weather import Fault, Weather


async def test_one_payment_that_the_gateway_fails_at_keeps_no_other_from_being_repaired(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: three paid in the browser without a webhook, and the gateway can't tell of the first, nor of the last
    monkeypatch.setattr(reconciling, "_AT_ONCE", 1)
    monkeypatch.setattr(reconciling, "_BATCH", 1)
    (stuck, first), (sound, _), (late, last) = [await an_order_paid_in_the_browser(till, staff) for _ in range(3)]
    for payment in (first, last):
        assert payment.intent_id is not None
        weather.strike(payment.intent_id, Fault.UNAVAILABLE, times=1000)

    # when
    await reconcile(till)

    # then
    waits, paid = OrderStatus.PENDING_PAYMENT, OrderStatus.PAID
    assert [(await order_now(order)).status for order in (stuck, sound, late)] == [waits, paid, waits]

    # then what failed is tried again
    weather.clear()
    await reconcile(till)
    assert [(await order_now(order)).status for order in (stuck, late)] == [paid, paid]


async def test_refunds_that_waited_longest_come_first(
    till: Till, shop: Resources, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(reconciling, "_AT_ONCE", 1)
    payments = [await paid(till, (await an_order(till, staff)).id) for _ in range(3)]
    await reconcile(till)
    for payment in payments:
        await promised(till, payment, 100)
    asked: list[str] = []

    async def seen(_: Till, payment_id: str) -> Payment | None:
        asked.append(payment_id)
        return await Payment.of_id(payment_id)

    monkeypatch.setattr(reconciling, "settle", seen)
    await time_passes(shop)

    # when
    await reconcile(till)

    # then
    assert asked[:3] == [payment.id for payment in payments]


async def test_a_gateway_that_is_away_is_waited_for_once_a_round_by_orders_that_expire(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the oldest wait for the gateway, which won't come; the last was never told to it
    monkeypatch.setattr(expiring, "_AT_ONCE", 2)
    orders = [await an_order(till, staff) for _ in range(6)]
    for order in orders[:-1]:
        await start_payment(till, order)
    for number, order in enumerate(orders):
        past = clock.now() - timedelta(hours=1 if number < 5 else 0, seconds=9 - number)
        await Order.get_pymongo_collection().update_one({"_id": order.id}, {"$set": {"expires_at": past}})
    weather.strike("cancel", Fault.DOWN, times=1000)
    asked = weather.asked["cancel"]

    # when
    ended = await expire_unpaid_orders(till)

    # then
    assert ended == 6
    assert 1 <= weather.asked["cancel"] - asked <= 4  # two at once, and the library repeats each


async def test_a_gateway_that_fails_at_one_payment_is_asked_about_the_others(
    till: Till, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the oldest can't be called off, and the last was paid in time, of which nobody told
    monkeypatch.setattr(expiring, "_AT_ONCE", 2)
    orders = [await an_order(till, staff) for _ in range(3)] + [(await an_order_paid_in_the_browser(till, staff))[0]]
    for number, order in enumerate(orders):
        await start_payment(till, order)
        past = clock.now() - timedelta(hours=1, seconds=9 - number)
        await Order.get_pymongo_collection().update_one({"_id": order.id}, {"$set": {"expires_at": past}})
    intact = paying.call_off

    async def failing(till: Till, payment_id: str) -> bool:
        if payment_id == orders[0].payment_id:
            raise PaymentGatewayUnavailable("a 500, whenever it is asked")
        return await intact(till, payment_id)

    monkeypatch.setattr(expiring, "call_off", failing)

    # when
    await expire_unpaid_orders(till)

    # then
    states = [(await order_now(order)).status.value for order in orders]
    assert states == ["expired", "expired", "expired", "paid"]


async def test_news_behind_a_payment_that_the_gateway_fails_at_for_long_is_heard(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the record is read in short pieces, and the gateway can't tell of the payment in the first of them
    monkeypatch.setattr(reconciling, "_SPAN", timedelta(seconds=1))
    monkeypatch.setattr(reconciling, "_LATE", timedelta(0))
    monkeypatch.setattr(reconciling, "_CLOCKS_DIFFER", timedelta(0))
    begin = clock.now() - timedelta(seconds=1)
    stuck, payment = await an_order_paid_in_the_browser(till, staff)
    await asyncio.sleep(2)  # the record counts whole seconds; later does no harm
    sound, _ = await an_order_paid_in_the_browser(till, staff)
    await the_record_was_read(shop, until=begin)
    weather.strike(payment.intent_id or "", Fault.UNAVAILABLE, times=1000)
    await asyncio.sleep(2)  # until both pieces are past; later does no harm

    # when
    await reconcile(till)

    # then
    assert (await order_now(sound)).status == OrderStatus.PAID

    # then the first is heard of as soon as the gateway can tell
    weather.clear()
    await reconcile(till)
    assert (await order_now(stuck)).status == OrderStatus.PAID


@pytest.mark.parametrize("died", [True, False], ids=["died", "lived"])
async def test_what_is_left_of_an_ended_order_is_promised_though_nobody_is_there_any_more(
    till: Till, shop: Resources, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, *, died: bool
) -> None:
    # given: a part was given by hand, so that the gateway refuses the refund of all
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    assert payment.intent_id is not None
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=400)
    refund = await promised(till, payment, TOTAL)
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    await deliver_about(till, shop, payment, but_first=refund)

    # when its process dies as soon as it has noted the refusal
    intact = refunding._agree_with

    async def dying(_: Till, __: Payment, ___: Sequence[GatewayRefund]) -> None:
        raise SystemError

    if died:
        monkeypatch.setattr(refunding, "_agree_with", dying)
        with pytest.raises(SystemError):
            await refunding.perform(till, refund.id)
        monkeypatch.setattr(refunding, "_agree_with", intact)
    else:
        await refunding.perform(till, refund.id)
    await deliver_about(till, shop, payment)

    # then
    assert sorted(one.amount for one in await till.gateway.refunds_of(payment.intent_id)) == [400, TOTAL - 400]
    now = await order_now(order)
    assert (now.refunded, now.refund_due) == (TOTAL, 0)


async def deliver_about(till: Till, shop: Resources, payment: Payment, *, but_first: Refund | None = None) -> None:
    """Do what a worker does about the payment; where a refund is on its way meanwhile, as if another asked for it."""

    async def consumer(_: Database, event: OutboxEvent) -> None:
        await heed(till, event.subject, notice=str(event.data.get("notice", "")))

    rows = shop.database.database["refunds"]
    if but_first is not None:
        later = clock.now() + timedelta(minutes=5)
        await rows.update_one({"_id": but_first.id}, {"$set": {"free_at": later}})
    await deliver(shop.database, [payment.id], consumers={"payment.unsettled": consumer})
    if but_first is not None:
        await rows.update_one({"_id": but_first.id}, {"$set": {"free_at": clock.now() - timedelta(seconds=1)}})


async def test_staff_hear_of_a_refused_refund_whatever_becomes_of_its_readers_letters(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    assert payment.intent_id is not None
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=TOTAL)
    refund = await promised(till, payment, TOTAL)

    # when
    await refunding.perform(till, refund.id)
    await settle(till, payment.id)

    # then none of the events that follow one another is both theirs
    events = await rows(shop, "outbox_events", state="waiting")
    theirs = {event["subject"] for event in events if event["kind"] == "order.refund_failed"}
    assert len(theirs) == 1
    assert theirs.isdisjoint(event["subject"] for event in events if event["kind"] != "order.refund_failed")
