"""3-D Secure: the card's bank wants its holder to agree first; and disputes, in which the bank takes the money back."""

import json
from typing import Any

import httpx
import pytest

from app.ids import new_id
from app.lifespan import Resources
from app.order_states import PaymentState
from app.payments.gateway import IntentStatus
from app.services.expiring import expire_unpaid_orders
from app.services.hearing import heed
from app.services.paying import settle
from app.services.reconciling import reconcile
from app.settings import Settings
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, stock
from tests.factories.orders import rows
from tests.payments.test_gateway import signed
from tests.payments.test_webhooks import post

SECURE = "pm_card_threeDSecure2Required"
VISA = "pm_card_visa"


async def the_holder(settings: Settings, placed: dict[str, Any], *, agrees: bool) -> None:
    """Answer the bank's question, as the gateway's form in the browser does."""
    secret: str = placed["payment"]["client_secret"]
    path = f"/v1/payment_intents/{secret.partition('_secret')[0]}/_authenticate"
    key = settings.stripe_api_key.get_secret_value()
    async with httpx.AsyncClient(base_url=settings.stripe_api_base, trust_env=False, auth=(key, "")) as browser:
        told = {"client_secret": secret, "success": "true" if agrees else "false"}
        answer = await browser.post(path, data=told)
    assert answer.status_code in {200, 402}, answer.text


@pytest.fixture
async def placed(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> dict[str, Any]:
    """An order whose card waits for its holder."""
    return await an_order(customer, (await a_stocked_book(staff, 3), 2), payment_method=SECURE)


@pytest.fixture
async def bought(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> dict[str, Any]:
    """An order that is paid."""
    return await an_order(customer, (await a_stocked_book(staff, 3), 2), payment_method=VISA)


async def seen(customer: httpx.AsyncClient, placed: dict[str, Any]) -> tuple[str, str]:
    now = (await customer.get(f"{API}/orders/{placed['id']}")).json()
    return now["status"], now["payment_status"]


async def test_a_card_that_asks_its_holder_leaves_the_order_payable(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources, settings: Settings, placed: dict[str, Any]
) -> None:
    assert (placed["status"], placed["payment"]["status"]) == ("pending_payment", "requires_payment")
    assert await stock(staff, placed["items"][0]["book_id"]) == (3, 2)

    # when
    await the_holder(settings, placed, agrees=True)
    await reconcile(shop.till)

    # then
    assert await seen(customer, placed) == ("paid", "paid")
    assert [row["amount"] for row in await rows(shop, "ledger_entries")] == [placed["total"]["amount"]]


async def test_a_holder_who_says_no_may_pay_otherwise(
    customer: httpx.AsyncClient, shop: Resources, settings: Settings, placed: dict[str, Any]
) -> None:
    # when
    await the_holder(settings, placed, agrees=False)
    await reconcile(shop.till)
    refused = await seen(customer, placed)
    body = {"order_id": placed["id"], "payment_method": VISA}
    paid = await customer.post(f"{API}/payments", json=body, headers={"Idempotency-Key": new_id("key")})

    # then
    assert refused == ("pending_payment", "failed")
    assert (paid.status_code, paid.json()["status"]) == (201, "paid")
    assert await seen(customer, placed) == ("paid", "paid")
    assert [row["amount"] for row in await rows(shop, "ledger_entries")] == [placed["total"]["amount"]]


async def test_a_holder_who_never_answers_gives_the_copies_back(
    staff: httpx.AsyncClient, shop: Resources, placed: dict[str, Any]
) -> None:
    # given
    [order] = await rows(shop, "orders")
    await shop.database.database["orders"].update_one({}, {"$set": {"expires_at": order["created_at"]}})

    # when
    await expire_unpaid_orders(shop.till)
    payment = await settle(shop.till, placed["payment"]["id"])

    # then
    assert payment.status is PaymentState.CANCELLED
    assert (await shop.till.gateway.fetch_intent(payment.intent_id or "")).status is IntentStatus.CANCELED
    assert await stock(staff, placed["items"][0]["book_id"]) == (3, 0)


@pytest.mark.parametrize("kind", ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"])
async def test_a_dispute_is_noted_and_moves_nothing(
    client: httpx.AsyncClient,
    shop: Resources,
    settings: Settings,
    bought: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    *,
    kind: str,
) -> None:
    # given
    before = [await rows(shop, name) for name in ("orders", "payments", "ledger_entries", "inventory")]
    [payment] = before[1]
    dispute = {"object": "dispute", "id": "du_1", "payment_intent": payment["intent_id"], "amount": 1}
    body = json.dumps({"id": new_id("evt"), "type": kind, "data": {"object": dispute}}).encode()

    # when
    answer = await post(client, body, signed(body, settings.stripe_webhook_secret.get_secret_value()))
    [told] = [row for row in await rows(shop, "outbox_events", kind="payment.unsettled") if row["data"]]
    await heed(shop.till, told["subject"], notice=told["data"]["notice"])

    # then
    assert answer.status_code == 200
    assert told["data"] == {"notice": kind}
    assert [record.levelname for record in caplog.records if record.message == "a payment is disputed"] == ["ERROR"]
    assert [await rows(shop, name) for name in ("orders", "payments", "ledger_entries", "inventory")] == before
    assert payment["order_id"] == bought["id"]


async def test_a_dispute_whose_webhook_was_lost_is_reported_once(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    book = await a_stocked_book(staff, 3)
    bought = await an_order(customer, (book, 2), payment_method="pm_card_createDispute")

    # when
    for _ in range(3):
        await reconcile(shop.till)

    # then
    reported = [vars(record) for record in caplog.records if record.message == "a payment is disputed"]
    assert [(one["levelname"], one["payment"], one["notice"]) for one in reported] == [
        ("ERROR", bought["payment"]["id"], "charge.dispute.created")
    ]
    assert await seen(customer, bought) == ("paid", "paid")
