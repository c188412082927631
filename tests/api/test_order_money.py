"""What becomes of an order's money and copies when it is paid, refused, cancelled, or not paid in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import ANY

import httpx
import pytest

from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from app.payments.stripe_gateway import StripeGateway
from app.payments.till import Till
from app.services.paying import pay_order
from app.settings import Settings
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, key, order, stock
from tests.payments.weather import Fault, weather_over

VISA, REFUSED = "pm_card_visa", "pm_card_visa_chargeDeclined"


async def copies_of(shop: Resources, book: str) -> tuple[int, int, int]:
    row = await shop.database.database["inventory"].find_one({"_id": book})
    assert row is not None
    return row["on_hand"], row["held"], row["sold"]


async def kinds_of(customer: httpx.AsyncClient, placed: dict[str, str]) -> list[str]:
    history = (await customer.get(f"{API}/orders/{placed['id']}/events")).json()["data"]
    return [event["kind"] for event in history]


@asynccontextmanager
async def gateway_away(shop: Resources, settings: Settings) -> AsyncIterator[None]:
    nobody = StripeGateway(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"}))
    till, shop.till = shop.till, Till(shop.writer, nobody)
    try:
        yield
    finally:
        shop.till = till
        await nobody.aclose()


async def test_an_order_can_be_paid_at_once(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book, headers = await a_stocked_book(staff, 3), key()

    paid = await order(customer, (book, 2), payment_method=VISA, headers=headers)
    again = await order(customer, (book, 2), payment_method=VISA, headers=headers)

    assert (paid.status_code, paid.json()["status"], paid.json()["payment_status"]) == (201, "paid", "paid")
    assert paid.json()["payment"] == {"id": ANY, "status": "paid", "client_secret": ANY}
    assert again.content == paid.content
    assert await copies_of(shop, book) == (1, 0, 2)
    assert await kinds_of(customer, paid.json()) == ["placed", "paid"]
    placed, taken = (await customer.get(f"{API}/orders/{paid.json()['id']}/events")).json()["data"]
    assert (placed["amount"], taken["amount"]) == (None, paid.json()["total"])


async def test_a_refused_card_leaves_an_order_to_be_paid(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book, headers = await a_stocked_book(staff, 3), key()

    refused = [await order(customer, (book, 2), payment_method=REFUSED, headers=headers) for _ in range(2)]

    [placed] = (await customer.get(f"{API}/orders")).json()["data"]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (402, "payment_declined")
        assert answer.json()["order_id"] == placed["id"]
    assert (placed["status"], placed["payment_status"]) == ("pending_payment", "failed")
    assert await copies_of(shop, book) == (3, 2, 0)
    paid = await pay_order(shop.till, placed["id"], payment_method=VISA, attempt="another card")
    assert paid is not None
    assert (await customer.get(f"{API}/orders/{placed['id']}")).json()["status"] == "paid"


async def test_an_order_without_the_gateway_is_an_order(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, settings: Settings
) -> None:
    book, headers = await a_stocked_book(staff, 3), key()

    async with gateway_away(shop, settings):
        placed = await order(customer, (book, 2), headers=headers)
    again = await order(customer, (book, 2), headers=headers)

    assert (placed.status_code, placed.json()["status"], placed.json()["payment"]) == (201, "pending_payment", None)
    assert again.content == placed.content
    assert await stock(staff, book) == (3, 2)
    paid = await pay_order(shop.till, placed.json()["id"], payment_method=VISA, attempt="later")
    assert paid is not None
    assert await copies_of(shop, book) == (1, 0, 2)


@pytest.mark.parametrize("faults", [1, 4, 7, 16])
async def test_repeats_hear_the_same_while_the_gateway_comes_and_goes(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, settings: Settings, faults: int
) -> None:
    # given: some of those who send the same order at once can have no intent made, and others can
    book, headers = await a_stocked_book(staff, 3), key()
    async with weather_over(settings.stripe_api_base) as weather:
        gateway = StripeGateway(settings.model_copy(update={"stripe_api_base": weather.url}))
        till, shop.till = shop.till, Till(shop.writer, gateway)
        weather.strike("payment_intents", Fault.UNAVAILABLE, times=faults)

        # when
        answers = await asyncio.gather(*(order(customer, (book, 2), headers=headers) for _ in range(8)))
        weather.clear()
        answers += [await order(customer, (book, 2), headers=headers) for _ in range(2)]
        shop.till = till
        await gateway.aclose()

    # then
    assert {answer.status_code for answer in answers} == {201}
    [body] = {answer.content for answer in answers}
    told = answers[0].json()["payment"]
    [payment] = await shop.database.database["payments"].find({}).to_list()
    assert body.count(b'"payment":') == 1
    assert (told is None) == payment["left_out"]
    assert told is None or told["client_secret"] == payment["client_secret"]
    assert await stock(staff, book) == (3, 2)


async def test_a_crash_before_the_payment_is_made_good_by_the_repeat(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given: what a process leaves behind that died between its commit and its answer
    book, headers = await a_stocked_book(staff, 3), key()
    first = await order(customer, (book, 2), headers=headers)
    placed = first.json()
    keys, payments = shop.database.database["idempotency_keys"], shop.database.database["payments"]
    await payments.update_one({"order_id": placed["id"]}, {"$set": {"intent_id": None, "client_secret": None}})
    await keys.update_one({"unfinished": None, "status": 201}, {"$set": {"unfinished": placed["id"], "body": b"{}"}})

    again = await asyncio.gather(*(order(customer, (book, 2), headers=headers) for _ in range(5)))

    assert {answer.content for answer in again} == {first.content}
    assert await stock(staff, book) == (3, 2)


async def test_a_cancelled_order_is_paid_back(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book = await a_stocked_book(staff, 3)
    placed = await an_order(customer, (book, 2), payment_method=VISA)
    path = f"{API}/orders/{placed['id']}/cancel"

    answers = await asyncio.gather(*(customer.post(path) for _ in range(8)))

    assert [answer.status_code for answer in answers] == [200] * 8
    now = (await customer.get(f"{API}/orders/{placed['id']}")).json()
    assert (now["status"], now["payment_status"], now["payment"]["status"]) == ("cancelled", "refunded", "refunded")
    assert await copies_of(shop, book) == (3, 0, 0)
    assert await kinds_of(customer, placed) == ["placed", "paid", "cancelled", "refunded"]


async def test_a_shipped_order_is_not_cancelled(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book = await a_stocked_book(staff, 3)
    placed = await an_order(customer, (book, 2), payment_method=VISA)
    path = f"{API}/orders/{placed['id']}"

    moved = [await staff.post(f"{path}/transitions", json={"to": to}) for to in ("processing", "shipped", "delivered")]
    late = await customer.post(f"{path}/cancel")

    assert [(one.status_code, one.json()["status"]) for one in moved] == [
        (200, "processing"),
        (200, "shipped"),
        (200, "delivered"),
    ]
    assert moved[0].json()["payment"] == {"id": ANY, "status": "paid", "client_secret": None}
    assert (late.status_code, late.json()["code"], late.json()["allowed"]) == (409, "invalid_transition", [])
    assert await copies_of(shop, book) == (1, 0, 2)
    told = await OutboxEvent.find({"subject": placed["id"]}).to_list()
    assert sorted(event.kind for event in told) == ["order.paid", "order.placed", "order.shipped"]
