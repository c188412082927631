import asyncio
from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from tests.api.test_problems import assert_problem
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, key, order
from tests.factories.orders import rows

VISA = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclined"
PRICE, SHIPPING = 1299, 499
TOTAL = PRICE + SHIPPING


@pytest.fixture
async def book(staff: httpx.AsyncClient) -> str:
    return await a_stocked_book(staff)


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


async def pay(shopper: httpx.AsyncClient, order_id: str, **given: Any) -> httpx.Response:
    return await shopper.post(f"{API}/payments", json={"order_id": order_id} | given, headers=key())


async def now(shopper: httpx.AsyncClient, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await shopper.get(f"{API}/orders/{order_id}")).json()
    return found


async def test_an_order_comes_with_what_pays_it(customer: httpx.AsyncClient, book: str) -> None:
    placed = await an_order(customer, (book, 1))

    payment = placed["payment"]
    assert payment["id"] == placed["id"].replace("ord_", "pay_")
    assert payment["status"] == "requires_payment"
    assert payment["client_secret"].startswith("pi_")
    assert (await now(customer, placed["id"]))["payment"] == payment


async def test_a_card_pays_at_once(customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str) -> None:
    placed = await an_order(customer, (book, 1), payment_method=VISA)

    assert (placed["status"], placed["payment_status"]) == ("paid", "paid")
    assert placed["payment"]["status"] == "paid"
    shown = (await customer.get(f"{API}/payments/{placed['payment']['id']}")).json()
    assert (shown["amount"], shown["captured"], shown["refunded"]) == (usd(TOTAL), usd(TOTAL), usd(0))
    assert shown["order_id"] == placed["id"]
    assert [event["kind"] for event in (await customer.get(f"{API}/orders/{placed['id']}/events")).json()["data"]] == [
        "placed",
        "paid",
    ]


async def test_a_declined_card_leaves_the_order_payable(customer: httpx.AsyncClient, book: str) -> None:
    # given
    headers = key()

    # when
    declined = await order(customer, (book, 1), headers=headers, payment_method=DECLINED)
    again = await order(customer, (book, 1), headers=headers, payment_method=DECLINED)

    # then
    assert (declined.status_code, declined.json()["code"]) == (402, "payment_declined")
    assert declined.json()["detail"].endswith(". The order waits: pay it with POST /payments.")
    assert (again.status_code, again.json()["order_id"]) == (402, declined.json()["order_id"])
    assert (await customer.get(f"{API}/payments/{declined.json()['payment_id']}")).json()["status"] == "failed"
    [placed] = (await customer.get(f"{API}/orders")).json()["data"]
    assert placed["id"] == declined.json()["order_id"]
    assert (placed["status"], placed["payment_status"]) == ("pending_payment", "failed")

    # when
    paid = await pay(customer, placed["id"], payment_method=VISA)
    replayed = await order(customer, (book, 1), headers=headers, payment_method=DECLINED)

    # then
    assert (paid.status_code, paid.json()["status"]) == (201, "paid")
    assert (replayed.status_code, replayed.json()["status"]) == (201, "paid")


async def test_a_payment_method_that_is_none_leaves_the_order_payable(customer: httpx.AsyncClient, book: str) -> None:
    refused = await order(customer, (book, 1), payment_method="pm_nope")

    assert (refused.status_code, refused.json()["code"]) == (402, "payment_declined")
    assert refused.json()["detail"].endswith(". The order waits: pay it with POST /payments.")
    paid = await pay(customer, refused.json()["order_id"], payment_method=VISA)
    assert (paid.status_code, paid.json()["id"]) == (201, refused.json()["payment_id"])


async def test_paying_gives_the_one_payment_again(customer: httpx.AsyncClient, book: str) -> None:
    # given
    placed = await an_order(customer, (book, 1))

    # when
    first, second = await pay(customer, placed["id"]), await pay(customer, placed["id"])
    headers = key()
    third, fourth = [
        await customer.post(f"{API}/payments", json={"order_id": placed["id"]}, headers=headers) for _ in range(2)
    ]

    # then
    assert [one.status_code for one in (first, second, third, fourth)] == [201] * 4
    assert first.json() == second.json() == third.json()
    assert fourth.content == third.content
    assert fourth.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == f"{API}/payments/{placed['payment']['id']}"
    assert first.json()["client_secret"] == placed["payment"]["client_secret"]


async def test_a_key_of_another_request_starts_no_payment(
    customer: httpx.AsyncClient, shop: Resources, book: str
) -> None:
    first, second = await an_order(customer, (book, 1)), await an_order(customer, (book, 1))
    headers = key()

    await customer.post(f"{API}/payments", json={"order_id": first["id"]}, headers=headers)
    reused = await customer.post(
        f"{API}/payments", json={"order_id": second["id"], "payment_method": VISA}, headers=headers
    )

    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await now(customer, second["id"]))["status"] == "pending_payment"


async def test_fifty_at_once_pay_once(customer: httpx.AsyncClient, shop: Resources, book: str) -> None:
    # given
    placed = await an_order(customer, (book, 1))
    headers = key()
    body = {"order_id": placed["id"], "payment_method": VISA}

    # when
    answers = await asyncio.gather(
        *(customer.post(f"{API}/payments", json=body, headers=headers) for _ in range(25)),
        *(customer.post(f"{API}/payments", json=body, headers=key()) for _ in range(25)),
    )

    # then
    assert {(one.status_code, one.json()["captured"]["amount"]) for one in answers} == {(201, TOTAL)}
    assert [row["amount"] for row in await rows(shop, "ledger_entries")] == [TOTAL]


async def test_what_ended_is_not_paid(customer: httpx.AsyncClient, book: str) -> None:
    placed = await an_order(customer, (book, 1))
    await customer.post(f"{API}/orders/{placed['id']}/cancel", json={})

    refused = await pay(customer, placed["id"], payment_method=VISA)

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_a_key_under_which_what_ended_was_not_paid_pays_another_order(
    customer: httpx.AsyncClient, book: str
) -> None:
    # given
    ended, waiting = await an_order(customer, (book, 1)), await an_order(customer, (book, 1))
    await customer.post(f"{API}/orders/{ended['id']}/cancel", json={})
    headers = key()

    # when
    refused, paid = [
        await customer.post(f"{API}/payments", json={"order_id": one["id"], "payment_method": VISA}, headers=headers)
        for one in (ended, waiting)
    ]

    # then
    assert_problem(refused, 409, "conflict")
    assert (paid.status_code, paid.json()["status"]) == (201, "paid")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"order_id": 1},
        {"order_id": "ord_1", "amount": 1},
        {"order_id": "ord_1", "user_id": "usr_1"},
        {"order_id": "ord_1", "payment_method": "4242424242424242"},
        {"order_id": "ord_1", "payment_method": ""},
        {"order_id": {"$ne": None}},
    ],
)
async def test_nonsense_is_refused(customer: httpx.AsyncClient, body: dict[str, Any]) -> None:
    refused = await customer.post(f"{API}/payments", json=body, headers=key())

    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")


async def test_money_moves_by_key_only(customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str) -> None:
    placed = await an_order(customer, (book, 1), payment_method=VISA)

    unpaid = await customer.post(f"{API}/payments", json={"order_id": placed["id"]})
    unrefunded = await staff.post(f"{API}/payments/{placed['payment']['id']}/refunds", json={})

    assert {(one.status_code, one.json()["code"]) for one in (unpaid, unrefunded)} == {(400, "idempotency_key_missing")}


async def test_an_unknown_order_is_not_found(customer: httpx.AsyncClient) -> None:
    assert (await pay(customer, "ord_01J00000000000000000000000")).status_code == 404


async def test_verifying_asks_the_gateway(customer: httpx.AsyncClient, shop: Resources, book: str) -> None:
    # given: the payer paid in the browser, and nobody told us
    placed = await an_order(customer, (book, 1))
    intent = placed["payment"]["client_secret"].partition("_secret")[0]
    await shop.till.gateway.confirm_intent(intent, payment_method=VISA, attempt="1")

    # when
    path = f"{API}/payments/{placed['payment']['id']}/verify"
    verified, again = await customer.post(path), await customer.post(path)

    # then
    assert (verified.status_code, verified.json()["status"]) == (200, "paid")
    assert again.json() == verified.json()
    assert (await now(customer, placed["id"]))["status"] == "paid"


async def test_what_the_gateway_refuses_to_tell_is_said_in_words(
    customer: httpx.AsyncClient, shop: Resources, book: str
) -> None:
    # given: an intent that the gateway doesn't know, as after its keys were changed
    placed = await an_order(customer, (book, 1))
    payments = shop.database.database["payments"]
    await payments.update_one({"_id": placed["payment"]["id"]}, {"$set": {"intent_id": "pi_of_nobody"}})

    answer = await customer.post(f"{API}/payments/{placed['payment']['id']}/verify")

    assert_problem(answer, 503, "payment_gateway_unavailable")


async def test_payments_are_listed(
    customer: httpx.AsyncClient, other_customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str
) -> None:
    # given
    first = await an_order(customer, (book, 1), payment_method=VISA)
    second = await an_order(customer, (book, 1))
    other = await an_order(other_customer, (book, 1))

    async def listed(who: httpx.AsyncClient, **query: str) -> list[str]:
        answer = await who.get(f"{API}/payments", params=query)
        return [payment["order_id"] for payment in answer.json()["data"]]

    # then
    assert await listed(customer) == [second["id"], first["id"]]
    assert await listed(customer, order_id=first["id"]) == [first["id"]]
    assert await listed(customer, order_id=other["id"]) == []
    assert await listed(staff) == []
    assert await listed(staff, order_id=other["id"]) == [other["id"]]
    everything = (await staff.get(f"{API}/admin/payments", params={"include": "total"})).json()
    assert everything["page"]["total"] == {"value": 3, "relation": "eq"}
    assert {row["payment"]["client_secret"] for row in everything["data"]} == {None}
    paid = (await staff.get(f"{API}/admin/payments", params={"status": "paid"})).json()["data"]
    assert [(row["payment"]["order_id"], row["intent_id"][:3]) for row in paid] == [(first["id"], "pi_")]


async def test_staff_learn_no_secret(customer: httpx.AsyncClient, staff: httpx.AsyncClient, book: str) -> None:
    placed = await an_order(customer, (book, 1))

    order_ = (await staff.get(f"{API}/orders/{placed['id']}")).json()
    payment = (await staff.get(f"{API}/payments/{placed['payment']['id']}")).json()

    assert (order_["payment"]["client_secret"], payment["client_secret"]) == (None, None)


async def test_two_payments_under_one_key_at_once_charge_one_order(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    # given
    book = await a_stocked_book(staff, 4)
    placed = [await an_order(customer, (book, 1)) for _ in range(2)]
    headers = key()

    # when
    bodies = [{"order_id": one["id"], "payment_method": "pm_card_visa"} for one in placed]
    answers = await asyncio.gather(*(customer.post(f"{API}/payments", json=body, headers=headers) for body in bodies))

    # then: who hears that the key is taken was not charged
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    paid = [(await customer.get(f"{API}/orders/{one['id']}")).json()["payment_status"] for one in placed]
    assert [status == "paid" for status in paid] == [answer.status_code == 201 for answer in answers]
