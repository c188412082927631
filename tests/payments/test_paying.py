import asyncio
from collections import Counter

import httpx
import pytest

from app import clock
from app.errors import Conflict, PaymentDeclined
from app.ids import payment_id_of
from app.lifespan import Resources
from app.models.payment import Payment
from app.order_states import OrderStatus, PaymentState, PaymentStatus
from app.payments.gateway import Intent, IntentStatus
from app.payments.till import Till
from app.services import fulfilment
from app.services.paying import pay_order, settle, start_payment
from tests.factories.orders import VISA, an_order, an_order_paid_in_the_browser, order_now, rows
from tests.payments.weather import Fault, Weather

DECLINED = "pm_card_visa_chargeDeclined"
TOTAL = 2 * 1299


async def paid(till: Till, order_id: str, *, by: str = VISA) -> Payment:
    payment = await pay_order(till, order_id, payment_method=by, attempt="1")
    assert payment is not None
    return payment


async def at_the_gateway(till: Till, payment: Payment) -> Intent:
    assert payment.intent_id is not None
    return await till.gateway.fetch_intent(payment.intent_id)


async def books(shop: Resources) -> dict[tuple[str, str], int]:
    """Return what was moved from (credit) one account to (debit) another, in minor units."""
    moved: Counter[tuple[str, str]] = Counter()
    for row in await rows(shop, "ledger_entries"):
        moved[row["credit"], row["debit"]] += row["amount"]
    return dict(moved)


async def told(shop: Resources, kind: str) -> int:
    return len(await rows(shop, "outbox_events", kind=kind))


async def test_an_order_has_one_payment(till: Till, staff: httpx.AsyncClient) -> None:
    # given
    order = await an_order(till, staff)

    # when
    found = await asyncio.gather(*(start_payment(till, order) for _ in range(8)))

    # then
    assert {(one.id, one.intent_id, one.client_secret) for one in found} == {
        (payment_id_of(order.id), found[0].intent_id, found[0].client_secret)
    }
    assert (found[0].amount, found[0].status) == (TOTAL, PaymentState.REQUIRES_PAYMENT)
    assert (await at_the_gateway(till, found[0])).status == IntentStatus.REQUIRES_PAYMENT_METHOD
    assert (await order_now(order)).payment_id == found[0].id


async def test_a_payment_sells_the_copies(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    order = await an_order(till, staff)

    payment = await paid(till, order.id)

    now = await order_now(order)
    assert (payment.status, payment.captured, payment.refunded) == (PaymentState.PAID, TOTAL, 0)
    assert (now.status, now.payment_status, now.captured) == (OrderStatus.PAID, PaymentStatus.PAID, TOTAL)
    [stock] = await rows(shop, "inventory", _id=order.lines[0].book_id)
    assert (stock["on_hand"], stock["held"], stock["sold"]) == (0, 0, 2)
    assert await books(shop) == {("sales", "gateway"): TOTAL}
    assert await told(shop, "order.paid") == 1


async def test_a_declined_card_leaves_the_order_payable(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    # given
    order = await an_order(till, staff)

    # when
    with pytest.raises(PaymentDeclined) as declined:
        await paid(till, order.id, by=DECLINED)
    failed = await order_now(order)
    payment = await pay_order(till, order.id, payment_method=VISA, attempt="2")

    # then
    assert declined.value.detail == "Your card was declined."
    assert (failed.status, failed.payment_status) == (OrderStatus.PENDING_PAYMENT, PaymentStatus.FAILED)
    assert payment is not None
    assert (payment.status, payment.captured, payment.failure) == (PaymentState.PAID, TOTAL, None)
    assert (await order_now(order)).status == OrderStatus.PAID
    assert (await told(shop, "order.payment_failed"), await told(shop, "order.paid")) == (1, 1)


async def test_nobody_hears_of_a_declined_card_once_another_one_has_paid(till: Till, staff: httpx.AsyncClient) -> None:
    # given: paid in the browser after a card was declined, and nobody told us
    order = await an_order(till, staff)
    with pytest.raises(PaymentDeclined):
        await paid(till, order.id, by=DECLINED)
    payment = await Payment.of_id(payment_id_of(order.id))
    assert payment is not None
    assert payment.intent_id is not None
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="in the browser")

    # when: the first request comes again, to a gateway that repeats its answer where it keeps keys
    again = await paid(till, order.id, by=DECLINED)

    # then
    assert (again.status, again.captured) == (PaymentState.PAID, TOTAL)
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_a_card_that_there_is_not_is_declined(till: Till, staff: httpx.AsyncClient) -> None:
    order = await an_order(till, staff)

    with pytest.raises(PaymentDeclined):
        await paid(till, order.id, by="pm_of_nobody")

    assert (await order_now(order)).status == OrderStatus.PENDING_PAYMENT
    assert (await paid(till, order.id)).captured == TOTAL


@pytest.mark.parametrize(
    "trouble",
    [(what, fault) for what in ("payment_intents", "confirm") for fault in Fault if fault is not Fault.SILENCE],
)
async def test_whatever_the_gateway_does_there_is_one_charge(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather, trouble: tuple[str, Fault]
) -> None:
    # given
    what, fault = trouble
    order = await an_order(till, staff)
    weather.strike(what, fault, times=2)

    # when: nobody is told that it failed, since nobody knows
    first = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    weather.clear()
    if what == "payment_intents":
        assert first is None
        assert (await order_now(order)).status == OrderStatus.PENDING_PAYMENT
    second = await paid(till, order.id)
    third = await settle(till, payment_id_of(order.id))

    # then
    assert (second.status, second.captured) == (third.status, third.captured) == (PaymentState.PAID, TOTAL)
    assert (await at_the_gateway(till, second)).received == TOTAL
    assert await books(shop) == {("sales", "gateway"): TOTAL}
    assert await told(shop, "order.paid") == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BROKEN_LATE, Fault.GARBAGE])
async def test_a_charge_whose_answer_was_lost_is_found(
    till: Till, staff: httpx.AsyncClient, weather: Weather, fault: Fault
) -> None:
    # given
    order = await an_order(till, staff)
    weather.strike("confirm", fault, times=2)

    # when
    unknown = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    weather.clear()
    found = await settle(till, payment_id_of(order.id))

    # then
    assert unknown is not None
    assert unknown.status in {PaymentState.REQUIRES_PAYMENT, PaymentState.PAID}
    assert found.captured == TOTAL
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_whoever_hears_of_it_first_there_is_one_effect(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order, payment = await an_order_paid_in_the_browser(till, staff)

    # when: webhooks, verify, reconciler and the payer's own request, all at once
    found = await asyncio.gather(
        *(settle(till, payment.id) for _ in range(10)), *(paid(till, order.id) for _ in range(2))
    )

    # then
    assert {(one.status, one.captured) for one in found} == {(PaymentState.PAID, TOTAL)}
    assert await books(shop) == {("sales", "gateway"): TOTAL}
    assert await told(shop, "order.paid") == 1
    assert len(await rows(shop, "stock_movements", kind="sold")) == 1


async def test_money_that_comes_too_late_goes_back(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    # given
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.intent_id is not None
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")

    # when
    found = await asyncio.gather(*(settle(till, payment.id) for _ in range(6)))

    # then
    last = await settle(till, payment.id)
    assert (last.status, last.captured, last.refunded) == (PaymentState.REFUNDED, TOTAL, TOTAL)
    assert {one.captured for one in found} == {TOTAL}
    now = await order_now(order)
    assert (now.status, now.payment_status, now.refund_due) == (OrderStatus.EXPIRED, PaymentStatus.REFUNDED, 0)
    assert [refund.amount for refund in await till.gateway.refunds_of(payment.intent_id)] == [TOTAL]
    assert await books(shop) == {("sales", "gateway"): TOTAL, ("gateway", "sales"): TOTAL}
    [stock] = await rows(shop, "inventory", _id=order.lines[0].book_id)
    assert (stock["on_hand"], stock["held"], stock["sold"]) == (2, 0, 0)


@pytest.mark.parametrize("to", [OrderStatus.CANCELLED, OrderStatus.EXPIRED])
async def test_nobody_can_pay_an_order_that_ended(till: Till, staff: httpx.AsyncClient, to: OrderStatus) -> None:
    # given
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    await till.commit(lambda work: fulfilment.release(order.id, to=to, actor="clock", attempt=work))

    # when
    off = await settle(till, payment.id)

    # then
    assert (off.status, off.ask_at) == (PaymentState.CANCELLED, None)
    assert (await at_the_gateway(till, payment)).status == IntentStatus.CANCELED
    with pytest.raises(Conflict):
        await start_payment(till, await order_now(order))
    assert (await order_now(order)).captured == 0


async def test_a_payment_that_was_never_started_is_called_off(
    till: Till, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given
    order = await an_order(till, staff)
    weather.strike("payment_intents", Fault.DOWN, times=2)
    assert await pay_order(till, order.id, payment_method=None, attempt="1") is None
    weather.clear()
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))

    # when
    off = await settle(till, payment_id_of(order.id))

    # then
    assert (off.status, off.intent_id, off.ask_at) == (PaymentState.CANCELLED, None, None)


async def test_an_order_that_ends_while_the_gateway_is_asked_takes_no_money(
    till: Till, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given: the gateway takes its time
    order = await an_order(till, staff)
    go_on = weather.hold("payment_intents")
    starting = asyncio.create_task(start_payment(till, order))
    await weather.until_asked("payment_intents")

    # when
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    await settle(till, payment_id_of(order.id))
    go_on.set()

    # then
    with pytest.raises(Conflict):
        await starting
    found = await Payment.of_id(payment_id_of(order.id))
    assert found is not None
    assert (found.status, found.intent_id) == (PaymentState.CANCELLED, None)


async def test_a_paid_order_that_is_cancelled_gets_its_money_back(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))

    # when
    await asyncio.gather(*(settle(till, payment.id) for _ in range(6)))

    # then
    back = await settle(till, payment.id)
    assert (back.status, back.captured, back.claimed, back.refunded) == (PaymentState.REFUNDED, TOTAL, TOTAL, TOTAL)
    assert (await order_now(order)).payment_status == PaymentStatus.REFUNDED
    assert await books(shop) == {("sales", "gateway"): TOTAL, ("gateway", "sales"): TOTAL}
    assert await told(shop, "order.refunded") == 1


async def test_the_gateway_is_asked_about_what_it_said_nothing_of(till: Till, staff: httpx.AsyncClient) -> None:
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    assert payment.ask_at is not None
    soon, later = payment.ask_at, clock.now()

    assert await Payment.take_due(now=payment.created_at, until=later) is None
    due = await Payment.take_due(now=soon, until=soon.replace(year=soon.year + 1))
    assert due is not None
    assert due.id == payment.id
    assert await Payment.take_due(now=soon, until=later) is None
