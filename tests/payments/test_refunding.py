import asyncio
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.errors import PaymentGatewayUnavailable, RefundExceedsCaptured
from app.idempotency import Attempt
from app.ids import new_id
from app.lifespan import Resources
from app.models.order_event import OrderEventKind
from app.models.payment import Payment
from app.models.refund import LEASE, Refund, RefundState
from app.order_states import OrderStatus, PaymentState, PaymentStatus
from app.payments.gateway import RefundStatus
from app.payments.till import Till
from app.services import fulfilment, refunding
from app.services.paying import settle
from tests.factories.orders import an_order, order_now, rows
from tests.payments.test_paying import TOTAL, books, paid, told
from tests.payments.weather import Fault, Weather


@pytest.fixture
async def payment(till: Till, staff: httpx.AsyncClient) -> Payment:
    return await paid(till, (await an_order(till, staff)).id)


async def promised(till: Till, payment: Payment, amount: int, *, claim: str | None = None) -> Refund:
    async def work(attempt: Attempt) -> Refund:
        return await refunding.promise(payment, amount=amount, actor="test", attempt=attempt, claim=claim)

    return await till.commit(work)


async def cancelled(till: Till, order_id: str) -> None:
    await till.commit(
        lambda attempt: fulfilment.release(order_id, to=OrderStatus.CANCELLED, actor="test", attempt=attempt)
    )


async def lease_over(shop: Resources, refund: Refund) -> None:
    past = clock.now() - timedelta(seconds=1)
    await shop.database.database.refunds.update_one({"_id": refund.id}, {"$set": {"free_at": past}})


async def given(till: Till, payment: Payment) -> list[int]:
    assert payment.intent_id is not None
    return sorted(refund.amount for refund in await till.gateway.refunds_of(payment.intent_id))


async def test_refunds_go_back_in_parts(till: Till, shop: Resources, payment: Payment) -> None:
    first = await refunding.perform(till, (await promised(till, payment, 1000)).id)
    half = await Payment.of_id(payment.id)
    second = await refunding.perform(till, (await promised(till, payment, TOTAL - 1000)).id)
    whole = await Payment.of_id(payment.id)

    assert (first.status, second.status) == (RefundState.SUCCEEDED, RefundState.SUCCEEDED)
    assert half is not None
    assert whole is not None
    assert (half.status, half.refunded, half.refundable) == (PaymentState.PARTIALLY_REFUNDED, 1000, TOTAL - 1000)
    assert (whole.status, whole.refunded, whole.refundable) == (PaymentState.REFUNDED, TOTAL, 0)
    assert await given(till, payment) == [1000, TOTAL - 1000]
    assert await books(shop) == {("sales", "gateway"): TOTAL, ("gateway", "sales"): TOTAL}


async def test_two_refunds_at_once_end_at_what_was_paid(till: Till, shop: Resources, payment: Payment) -> None:
    # when
    outcomes = await asyncio.gather(*(promised(till, payment, 2000) for _ in range(5)), return_exceptions=True)

    # then
    refused = [one for one in outcomes if isinstance(one, RefundExceedsCaptured)]
    assert len(refused) == 4
    assert refused[0].data == {"refundable": {"amount": TOTAL - 2000, "currency": "USD"}}
    await settle(till, payment.id)
    assert await given(till, payment) == [2000]


async def test_the_same_refund_performed_at_once_is_given_once(till: Till, payment: Payment) -> None:
    refund = await promised(till, payment, 500)

    await asyncio.gather(*(refunding.perform(till, refund.id) for _ in range(8)))

    assert await given(till, payment) == [500]
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert (found.claimed, found.refunded) == (500, 500)


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BROKEN_LATE, Fault.BROKEN, Fault.TOO_MANY, Fault.DOWN])
async def test_a_refund_whose_answer_was_lost_is_given_once(
    till: Till, shop: Resources, weather: Weather, payment: Payment, fault: Fault
) -> None:
    # given
    refund = await promised(till, payment, 500)
    weather.strike("refunds", fault)

    # when
    with pytest.raises(PaymentGatewayUnavailable):
        await refunding.perform(till, refund.id)
    weather.clear()
    waits = await refunding.perform(till, refund.id)
    await lease_over(shop, refund)
    settled = await refunding.perform(till, refund.id)

    # then
    assert (waits.status, settled.status, settled.attempts) == (RefundState.PENDING, RefundState.SUCCEEDED, 2)
    assert await given(till, payment) == [500]
    assert (await books(shop))["gateway", "sales"] == 500


async def test_what_waits_for_the_gateway_is_found(till: Till, shop: Resources, payment: Payment) -> None:
    await promised(till, payment, 500)
    now = clock.now()

    assert await Refund.waiting(now=now, limit=10) == [payment.id]
    await settle(till, payment.id)
    assert await Refund.waiting(now=now + 2 * LEASE, limit=10) == []


async def test_a_refund_that_the_gateway_refuses_is_no_promise_any_more(
    till: Till, shop: Resources, payment: Payment
) -> None:
    # given: somebody gave it back at the gateway itself
    assert payment.intent_id is not None
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=TOTAL)
    refund = await promised(till, payment, 500)

    # when
    refused = await refunding.perform(till, refund.id)

    # then
    assert refused.status == RefundState.FAILED
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert (found.claimed, found.refunded) == (TOTAL, TOTAL)
    assert sorted((row["amount"], row["status"]) for row in await rows(shop, "refunds")) == [
        (500, "failed"),
        (TOTAL, "succeeded"),
    ]
    assert await told(shop, "order.refund_failed") == 1


async def test_the_rest_of_an_ended_order_goes_back_where_a_part_was_given_by_hand(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given: in the gateway's dashboard, and its notice hasn't come
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    assert payment.intent_id is not None
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=300)
    await cancelled(till, order.id)

    # when
    await asyncio.gather(*(settle(till, payment.id) for _ in range(3)))

    # then
    assert await given(till, payment) == [300, TOTAL - 300]
    found = await settle(till, payment.id)
    assert (found.status, found.claimed, found.refunded) == (PaymentState.REFUNDED, TOTAL, TOTAL)
    assert (await order_now(order)).refund_due == 0


async def test_what_was_given_by_hand_instead_of_a_refund_of_ours_is_entered(
    till: Till, shop: Resources, weather: Weather, staff: httpx.AsyncClient
) -> None:
    # given: our refund waits for the gateway when the notice of the other one comes
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    assert payment.intent_id is not None
    await cancelled(till, order.id)
    weather.strike("refunds", Fault.DOWN)
    with pytest.raises(PaymentGatewayUnavailable):
        await settle(till, payment.id)
    weather.clear()
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=TOTAL)
    await settle(till, payment.id, refunds_too=True)
    [refund] = await Refund.pending_of(payment.id)
    await lease_over(shop, refund)

    # when
    await settle(till, payment.id)

    # then
    assert await given(till, payment) == [TOTAL]
    found, now = await Payment.of_id(payment.id), await order_now(order)
    assert found is not None
    assert (found.status, found.claimed, found.refunded) == (PaymentState.REFUNDED, TOTAL, TOTAL)
    assert (now.refunded, now.refund_due) == (TOTAL, 0)


async def test_an_order_says_what_went_back(till: Till, staff: httpx.AsyncClient) -> None:
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    await refunding.perform(till, (await promised(till, payment, 1)).id)

    now = await order_now(order)

    assert (now.captured, now.refunded, now.payment_status.value) == (TOTAL, 1, "partially_refunded")


async def test_what_was_given_back_at_the_gateway_itself_is_entered_once(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given: in the gateway's dashboard, beside a refund of ours
    order = await an_order(till, staff)
    payment = await paid(till, order.id)
    assert payment.intent_id is not None
    await refunding.perform(till, (await promised(till, payment, 100)).id)
    await till.gateway.refund(payment.intent_id, refund_id=new_id("by_hand"), amount=250)

    # when
    await asyncio.gather(*(settle(till, payment.id, refunds_too=True) for _ in range(5)))

    # then
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert (found.claimed, found.refunded) == (350, 350)
    assert (await books(shop))["gateway", "sales"] == 350
    assert sorted((row["amount"], row["actor"]) for row in await rows(shop, "refunds")) == [
        (100, "test"),
        (250, "gateway"),
    ]
    assert (await order_now(order)).refunded == 350


async def until_it_fails(till: Till, payment: Payment) -> None:
    """Wait until the gateway says that what it gave back failed."""
    assert payment.intent_id is not None
    async with asyncio.timeout(60):
        while RefundStatus.FAILED not in {one.status for one in await till.gateway.refunds_of(payment.intent_id)}:
            await asyncio.sleep(0.1)


async def test_what_fails_after_it_was_given_is_taken_back_once(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await paid(till, order.id, by="pm_card_refundFail")
    refund = await refunding.perform(till, (await promised(till, payment, TOTAL)).id)
    assert (refund.status, (await order_now(order)).payment_status) == (RefundState.SUCCEEDED, PaymentStatus.REFUNDED)
    await until_it_fails(till, payment)

    # when
    await asyncio.gather(*(settle(till, payment.id, refunds_too=True) for _ in range(5)))

    # then
    found, now = await Payment.of_id(payment.id), await order_now(order)
    assert found is not None
    assert (found.status, found.captured, found.claimed, found.refunded) == (PaymentState.PAID, TOTAL, 0, 0)
    assert (now.payment_status, now.captured, now.refunded) == (PaymentStatus.PAID, TOTAL, 0)
    assert (now.history[-1].kind, now.history[-1].amount) == (OrderEventKind.REFUND_FAILED, TOTAL)
    assert (await refunding.found(refund.id)).status == RefundState.FAILED
    assert await books(shop) == {("sales", "gateway"): 2 * TOTAL, ("gateway", "sales"): TOTAL}
    assert await told(shop, "order.refund_failed") == 1
    # And it can be given back again, in another part.
    again = await refunding.perform(till, (await promised(till, payment, 100)).id)
    assert again.status == RefundState.SUCCEEDED
    assert (await order_now(order)).payment_status == PaymentStatus.PARTIALLY_REFUNDED


async def test_a_failure_that_is_heard_before_the_success_is_entered_holds(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given: who gave it stands still between the gateway's answer and the commit
    order = await an_order(till, staff)
    payment = await paid(till, order.id, by="pm_card_refundFail")
    refund = await Refund.take((await promised(till, payment, 500)).id, now=clock.now())
    assert refund is not None
    given = await till.gateway.refund(payment.intent_id or "", refund_id=refund.id, amount=500)
    await until_it_fails(till, payment)

    # when
    await settle(till, payment.id, refunds_too=True)
    await refunding._enter(till, refund, given)

    # then
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert ((await refunding.found(refund.id)).status, found.claimed, found.refunded) == (RefundState.FAILED, 0, 0)
    assert ("gateway", "sales") not in await books(shop)


async def test_nothing_is_promised_again_where_a_refund_of_an_ended_order_failed(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await paid(till, order.id, by="pm_card_refundFail")
    await cancelled(till, order.id)
    await settle(till, payment.id)
    assert (await order_now(order)).payment_status == PaymentStatus.REFUNDED
    await until_it_fails(till, payment)

    # when
    for _ in range(3):
        await settle(till, payment.id, refunds_too=True)

    # then: people have to find another way
    assert [row["status"] for row in await rows(shop, "refunds")] == ["failed"]
    assert (await order_now(order)).refund_due == TOTAL
