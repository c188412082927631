"""What becomes of orders that nobody paid in time, or of which nobody told that they were."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.lifespan import Resources
from app.models.order import Order
from app.models.payment import Payment
from app.services import expiring, fulfilment
from app.services.expiring import expire_unpaid_orders
from app.services.paying import pay_order, settle
from app.settings import Settings
from tests.api.test_order_money import VISA, copies_of, gateway_away, kinds_of
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, key


async def _time_passes(placed: dict[str, str], *, by: timedelta = timedelta(seconds=1)) -> None:
    past = clock.now() - by
    await Order.get_pymongo_collection().update_one({"_id": placed["id"]}, {"$set": {"expires_at": past}})


async def test_an_unpaid_order_runs_out(staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources) -> None:
    book = await a_stocked_book(staff, 3)
    late, in_time, paid = [await an_order(customer, (book, 1), payment_method=method) for method in (None, None, VISA)]
    await _time_passes(late)
    await _time_passes(paid)

    ended = await asyncio.gather(*(expire_unpaid_orders(shop.till) for _ in range(3)))
    await settle(shop.till, late["payment"]["id"])

    assert sum(ended) == 1
    states = [(await customer.get(f"{API}/orders/{one['id']}")).json()["status"] for one in (late, in_time, paid)]
    assert states == ["expired", "pending_payment", "paid"]
    assert await copies_of(shop, book) == (2, 1, 1)
    assert await kinds_of(customer, late) == ["placed", "expired"]
    assert (await customer.get(f"{API}/orders/{late['id']}")).json()["payment"]["status"] == "cancelled"


async def test_an_order_that_was_paid_in_time_is_paid_though_nobody_told(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given: paid in the browser, and its webhook was lost
    book = await a_stocked_book(staff, 3)
    placed = await an_order(customer, (book, 1))
    payment = await Payment.of_id(placed["payment"]["id"])
    assert payment is not None
    assert payment.intent_id is not None
    await shop.till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="in the browser")
    await _time_passes(placed)

    # when
    ended = await expire_unpaid_orders(shop.till)

    # then
    assert ended == 0
    assert (await customer.get(f"{API}/orders/{placed['id']}")).json()["status"] == "paid"
    assert await copies_of(shop, book) == (2, 0, 1)


@pytest.mark.parametrize("case", [(timedelta(0), "pending_payment"), (timedelta(hours=1), "expired")])
async def test_while_the_gateway_is_away_an_order_waits_for_it_but_not_for_ever(
    staff: httpx.AsyncClient,
    customer: httpx.AsyncClient,
    shop: Resources,
    settings: Settings,
    case: tuple[timedelta, str],
) -> None:
    # given
    overdue_by, status = case
    placed = await an_order(customer, (await a_stocked_book(staff, 3), 1))
    await _time_passes(placed, by=overdue_by)

    # when
    async with gateway_away(shop, settings):
        ended = await expire_unpaid_orders(shop.till)

    # then
    assert ended == (status == "expired")
    assert (await customer.get(f"{API}/orders/{placed['id']}")).json()["status"] == status


async def test_an_intent_that_the_gateway_does_not_know_keeps_no_order_from_ending(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given: made with the key of another account
    book = await a_stocked_book(staff, 3)
    late, cancelled = await an_order(customer, (book, 1)), await an_order(customer, (book, 1))
    for number, placed in enumerate((late, cancelled)):
        await shop.database.database["payments"].update_one(
            {"_id": placed["payment"]["id"]}, {"$set": {"intent_id": f"pi_of_another_account_{number}"}}
        )
    await _time_passes(late)

    # when
    ended = await expire_unpaid_orders(shop.till)
    answer = await customer.post(f"{API}/orders/{cancelled['id']}/cancel", headers=key())

    # then
    assert (ended, answer.status_code, answer.json()["status"]) == (1, 200, "cancelled")
    for placed in (late, cancelled):
        assert (await settle(shop.till, placed["payment"]["id"])).status == "cancelled"
    assert await copies_of(shop, book) == (3, 0, 0)


async def test_an_order_that_cannot_end_keeps_no_other_from_ending(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the stock knows nothing of what the oldest holds, and fills the first page
    monkeypatch.setattr(expiring, "_BATCH", 1)
    spoilt, sound = await a_stocked_book(staff, 3), await a_stocked_book(staff, 3)
    stuck, late = await an_order(customer, (spoilt, 1)), await an_order(customer, (sound, 1))
    for placed in (stuck, late):
        await _time_passes(placed)
    await shop.database.database["inventory"].update_one({"_id": spoilt}, {"$set": {"held": 0}})

    # when
    rounds = [await expire_unpaid_orders(shop.till) for _ in range(2)]

    # then
    assert rounds == [1, 0]
    states = [(await customer.get(f"{API}/orders/{one['id']}")).json()["status"] for one in (stuck, late)]
    assert states == ["pending_payment", "expired"]
    assert await copies_of(shop, sound) == (3, 0, 0)


async def test_a_payment_under_way_is_waited_for(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    placed = await an_order(customer, (await a_stocked_book(staff, 3), 1))
    await shop.till.commit(lambda attempt: fulfilment.settle_processing(placed["id"], attempt=attempt))
    await _time_passes(placed)

    assert await expire_unpaid_orders(shop.till) == 0

    await shop.till.commit(
        lambda attempt: fulfilment.settle_payment_failed(placed["id"], reason="no funds", attempt=attempt)
    )
    assert await expire_unpaid_orders(shop.till) == 1


@pytest.mark.parametrize("number", range(5))
async def test_a_payment_that_meets_the_end_is_kept_or_given_back(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, number: int
) -> None:
    book = await a_stocked_book(staff, 3)
    placed = await an_order(customer, (book, 2))
    await _time_passes(placed)

    await asyncio.gather(
        pay_order(shop.till, placed["id"], payment_method=VISA, attempt=str(number)), expire_unpaid_orders(shop.till)
    )
    await settle(shop.till, placed["payment"]["id"])

    now = await Order.of_id(placed["id"])
    assert now is not None
    outcome = (now.status, now.payment_status, now.captured - now.refunded, *(await copies_of(shop, book)))
    assert outcome in {
        ("paid", "paid", now.total, 1, 0, 2),
        ("expired", "refunded", 0, 3, 0, 0),
        ("expired", "requires_payment", 0, 3, 0, 0),
    }
