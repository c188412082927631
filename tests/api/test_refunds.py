import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from tests.api.test_payments import TOTAL, VISA, now, usd
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, key
from tests.factories.orders import rows


@pytest.fixture
async def book(staff: httpx.AsyncClient) -> str:
    return await a_stocked_book(staff)


async def refund(staff: httpx.AsyncClient, payment_id: str, **given: Any) -> httpx.Response:
    return await staff.post(f"{API}/payments/{payment_id}/refunds", json=given, headers=key())


async def test_refunds_go_back_in_parts(customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str) -> None:
    # given
    placed = await an_order(customer, (book, 1), payment_method=VISA)
    payment_id = placed["payment"]["id"]

    # when
    part = await refund(staff, payment_id, amount=usd(300), reason="A torn page")
    halfway = await now(customer, placed["id"])
    rest = await refund(staff, payment_id)
    nothing = await refund(staff, payment_id)

    # then
    assert (part.status_code, part.json()["amount"], part.json()["status"]) == (201, usd(300), "succeeded")
    assert part.json()["reason"] == "A torn page"
    assert halfway["payment_status"] == "partially_refunded"
    assert (rest.status_code, rest.json()["amount"]) == (201, usd(TOTAL - 300))
    assert (nothing.status_code, nothing.json()["code"]) == (409, "refund_exceeds_captured")
    assert nothing.json()["refundable"] == usd(0)
    assert (await now(customer, placed["id"]))["payment_status"] == "refunded"
    listed = (await staff.get(f"{API}/payments/{payment_id}/refunds")).json()["data"]
    assert listed == [rest.json(), part.json()]


async def test_what_was_given_back_elsewhere_is_entered_and_not_asked_of_the_gateway(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, book: str
) -> None:
    # given
    placed = await an_order(customer, (book, 1), payment_method=VISA)
    payment_id = placed["payment"]["id"]
    path, headers = f"{API}/payments/{payment_id}/refunds", key()
    given = {"amount": usd(300), "reason": "By transfer", "elsewhere": True}

    # when
    transferred, again = [await staff.post(path, json=given, headers=headers) for _ in range(2)]
    other = await staff.post(path, json=given | {"elsewhere": False}, headers=headers)
    silent = await refund(staff, payment_id, elsewhere=True)
    rest = await refund(staff, payment_id)
    too_much = await refund(staff, payment_id, **given)

    # then
    assert (transferred.status_code, transferred.json()["status"]) == (201, "succeeded")
    assert (transferred.json()["elsewhere"], rest.json()["elsewhere"]) == (True, False)
    assert again.content == transferred.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (silent.status_code, silent.json()["errors"][0]["code"]) == (422, "reason_needed")
    assert (rest.status_code, rest.json()["amount"]) == (201, usd(TOTAL - 300))
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund_exceeds_captured")
    assert (await now(customer, placed["id"]))["payment_status"] == "refunded"
    intent = (await rows(shop, "payments"))[0]["intent_id"]
    asked = await shop.till.gateway.refunds_of(intent)
    assert [one.amount for one in asked] == [TOTAL - 300]
    credited = {row["credit"]: row["amount"] for row in await rows(shop, "ledger_entries", debit="sales")}
    assert credited == {"elsewhere": 300, "gateway": TOTAL - 300}


async def test_a_refund_that_names_nothing_is_of_everything(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str
) -> None:
    placed = await an_order(customer, (book, 1), payment_method=VISA)
    path, headers = f"{API}/payments/{placed['payment']['id']}/refunds", key()

    whole, again = [await staff.post(path, headers=headers) for _ in range(2)]

    assert (whole.status_code, whole.json()["amount"], whole.json()["reason"]) == (201, usd(TOTAL), None)
    assert again.content == whole.content
    assert (await now(customer, placed["id"]))["payment_status"] == "refunded"


async def test_the_same_refund_twice_is_one(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, book: str
) -> None:
    # given
    placed = await an_order(customer, (book, 1), payment_method=VISA)
    path, headers = f"{API}/payments/{placed['payment']['id']}/refunds", key()

    # when
    answers = await asyncio.gather(*(staff.post(path, json={"amount": usd(500)}, headers=headers) for _ in range(10)))

    # then
    assert {one.status_code for one in answers} == {201}
    assert len({hashlib.sha256(one.content).hexdigest() for one in answers}) == 1
    assert [(row["amount"], row["debit"]) for row in await rows(shop, "ledger_entries", debit="sales")] == [
        (500, "sales")
    ]


async def test_refunds_at_once_end_at_what_was_paid(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, book: str
) -> None:
    placed = await an_order(customer, (book, 1), payment_method=VISA)

    answers = await asyncio.gather(*(refund(staff, placed["payment"]["id"], amount=usd(1000)) for _ in range(6)))

    assert sorted(one.status_code for one in answers) == [201] + [409] * 5
    refused = next(one.json() for one in answers if one.status_code == 409)
    assert (refused["code"], refused["refundable"]) == ("refund_exceeds_captured", usd(TOTAL - 1000))
    assert sum(row["amount"] for row in await rows(shop, "ledger_entries", debit="sales")) == 1000


@pytest.mark.parametrize(
    "amount",
    [
        usd(0),
        usd(-1),
        usd(TOTAL + 1),
        {"amount": 1.5, "currency": "USD"},
        {"amount": 100, "currency": "EUR"},
        {"amount": 100},
        {"amount": "100", "currency": "USD"},
        usd(10**18),
        100,
    ],
    ids=str,
)
async def test_refunds_that_cannot_be_are_refused(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, book: str, amount: Any
) -> None:
    placed = await an_order(customer, (book, 1), payment_method=VISA)

    refused = await refund(staff, placed["payment"]["id"], amount=amount)

    expected = (409, "refund_exceeds_captured") if amount == usd(TOTAL + 1) else (422, "validation_error")
    assert (refused.status_code, refused.json()["code"]) == expected
    assert await rows(shop, "refunds") == []
    assert (await now(customer, placed["id"]))["payment_status"] == "paid"


async def test_what_was_not_paid_is_not_refunded(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str
) -> None:
    placed = await an_order(customer, (book, 1))

    refused = await refund(staff, placed["payment"]["id"], amount=usd(1))

    assert (refused.status_code, refused.json()["refundable"]) == (409, usd(0))


@pytest.mark.parametrize("given", [{"amount": usd(500), "reason": "A torn page"}, {}], ids=["a part", "all"])
async def test_a_key_that_outlives_its_answer_gives_the_same_refund(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, book: str, given: dict[str, Any]
) -> None:
    # given: answers are kept for two days, refunds for good
    placed, other = [await an_order(customer, (book, 1), payment_method=VISA) for _ in range(2)]
    path, headers = f"{API}/payments/{placed['payment']['id']}/refunds", key()
    first = await staff.post(path, json=given, headers=headers)
    await shop.database.database["idempotency_keys"].delete_many({})

    # when
    again = await staff.post(path, json=given, headers=headers)

    # then
    assert (again.status_code, again.content) == (201, first.content)
    assert len(await rows(shop, "ledger_entries", debit="sales")) == 1

    # when
    await shop.database.database["idempotency_keys"].delete_many({})
    reused = [
        await staff.post(path, json={"amount": usd(499), "reason": given.get("reason")}, headers=headers),
        await staff.post(path, json={**given, "reason": "Another"}, headers=headers),
        await staff.post(f"{API}/payments/{other['payment']['id']}/refunds", json=given, headers=headers),
    ]

    # then
    assert [(one.status_code, one.json()["code"]) for one in reused] == [(422, "idempotency_key_reused")] * 3
    assert len(await rows(shop, "refunds")) == 1
