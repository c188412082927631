import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.database import Database
from app.ids import new_id
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from app.models.payment import Payment
from app.payments.till import Till
from app.services.hearing import hear, heed
from app.services.paying import start_payment
from app.settings import Settings
from tests.factories.orders import VISA, an_order, order_now, rows
from tests.payments.test_gateway import signed
from tests.payments.test_paying import TOTAL, books

PATH = "/api/v1/webhooks/stripe"


@pytest.fixture
def secret(settings: Settings) -> str:
    return settings.stripe_webhook_secret.get_secret_value()


def a_notice(intent_id: str, kind: str = "payment_intent.succeeded", **overrides: Any) -> bytes:
    intent = {"object": "payment_intent", "id": intent_id, "status": "succeeded", "amount": 1}
    return json.dumps({"id": new_id("evt"), "type": kind, "data": {"object": intent}} | overrides).encode()


async def post(client: httpx.AsyncClient, body: bytes, signature: str | None) -> httpx.Response:
    sent = {b"Stripe-Signature": signature.encode("latin-1")} if signature is not None else {}
    headers = {b"Content-Type": b"application/json"} | sent
    return await client.post(PATH, content=body, headers=headers)


async def deliver_all(till: Till) -> int:
    """Do what a worker does about the events that wait."""
    done = 0
    for row in await OutboxEvent.find({"kind": "payment.unsettled", "state": "waiting"}).to_list():
        await heed(till, row.subject, notice=str(row.data.get("notice", "")))
        await OutboxEvent.find({"_id": row.id}).delete()
        done += 1
    return done


@pytest.fixture
async def charged(till: Till, staff: httpx.AsyncClient) -> Payment:
    """A payment whose money the gateway has, and the shop doesn't know."""
    payment = await start_payment(till, await an_order(till, staff))
    assert payment.intent_id is not None
    await till.gateway.confirm_intent(payment.intent_id, payment_method=VISA, attempt="1")
    return payment


async def test_ten_times_at_once_is_once(
    till: Till, shop: Resources, client: httpx.AsyncClient, charged: Payment, secret: str
) -> None:
    # given
    body = a_notice(charged.intent_id or "")
    signature = signed(body, secret)

    # when
    answers = await asyncio.gather(*(post(client, body, signature) for _ in range(10)))
    delivered = await deliver_all(till)

    # then
    assert {(one.status_code, one.text) for one in answers} == {(200, '{"received":true}')}
    assert delivered == 1
    assert len(await rows(shop, "webhook_events")) == 1
    assert await books(shop) == {("sales", "gateway"): TOTAL}
    assert len(await rows(shop, "outbox_events", kind="order.paid")) == 1


async def test_the_order_in_which_notices_come_is_no_matter(
    till: Till, shop: Resources, client: httpx.AsyncClient, charged: Payment, secret: str
) -> None:
    # given: what happened first is told last, and what is told isn't so any more
    kinds = ["charge.refunded", "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.created"]

    # when
    for kind in kinds:
        body = a_notice(charged.intent_id or "", kind)
        assert (await post(client, body, signed(body, secret))).status_code == 200
        await deliver_all(till)

    # then
    found = await Payment.of_id(charged.id)
    assert found is not None
    assert (found.status.value, found.captured, found.refunded, found.failure) == ("paid", TOTAL, 0, None)
    assert await books(shop) == {("sales", "gateway"): TOTAL}
    assert [row["kind"] for row in await rows(shop, "webhook_events")] == kinds


async def test_a_notice_is_a_hint_and_no_truth(
    till: Till, client: httpx.AsyncClient, staff: httpx.AsyncClient, secret: str
) -> None:
    # given: a payment that nobody made
    order = await an_order(till, staff)
    payment = await start_payment(till, order)
    body = a_notice(payment.intent_id or "")

    # when
    assert (await post(client, body, signed(body, secret))).status_code == 200
    await deliver_all(till)

    # then
    assert (await order_now(order)).status.value == "pending_payment"


async def test_what_is_not_about_our_payments_is_noted(shop: Resources, client: httpx.AsyncClient, secret: str) -> None:
    body = a_notice("pi_of_another_shop")

    answer = await post(client, body, signed(body, secret))

    assert answer.status_code == 200
    assert len(await rows(shop, "webhook_events")) == 1
    assert await rows(shop, "outbox_events") == []


async def test_right_after_an_election_no_notice_is_taken_for_a_strangers(
    shop: Resources, charged: Payment, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the new primary shows only who waits for it what was acknowledged before
    caught_up, intact_fresh, intact_read = False, Database.fresh, Payment.of_intent

    async def fresh(database: Database, read: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal caught_up
        caught_up = True
        return await intact_fresh(database, read)

    async def of_intent(intent_id: str) -> Payment | None:
        return await intact_read(intent_id) if caught_up else None

    monkeypatch.setattr(Database, "fresh", fresh)
    monkeypatch.setattr(Payment, "of_intent", of_intent)
    body = a_notice(charged.intent_id or "")

    # when
    await hear(shop.till, body, signature=signed(body, secret))

    # then
    assert [row["subject"] for row in await rows(shop, "outbox_events", kind="payment.unsettled")] == [charged.id]


@pytest.mark.parametrize(
    "spoil", ["unsigned", "forged", "old", "half", "changed", "latin", "no json", "no event", "huge"]
)
async def test_bad_notices_have_no_effect(
    shop: Resources, client: httpx.AsyncClient, charged: Payment, secret: str, spoil: str
) -> None:
    # given
    body = a_notice(charged.intent_id or "")
    signature: str | None = signed(body, secret)
    match spoil:
        case "unsigned":
            signature = None
        case "forged":
            signature = signed(body, "whsec_of_somebody_else")
        case "old":
            signature = signed(body, secret, at=time.time() - 301)
        case "half":
            body = body[: len(body) // 2]
        case "changed":
            body = body.replace(b"succeeded", b"canceled")
        case "latin":
            signature = "t=1,v1=\xff"
        case "no json":
            body = b"id=evt_1"
            signature = signed(body, secret)
        case "no event":
            body = b'{"object": "list", "data": []}'
            signature = signed(body, secret)
        case "huge":
            body = a_notice(charged.intent_id or "", filler="x" * 70_000)
            signature = signed(body, secret)
    before = await rows(shop, "outbox_events")

    # when
    answer = await post(client, body, signature)

    # then
    expected = {
        "half": (400, "malformed_json"),
        "no json": (400, "malformed_json"),
        "no event": (400, "malformed_json"),
        "huge": (413, "payload_too_large"),
    }
    assert (answer.status_code, answer.json()["code"]) == expected.get(spoil, (400, "webhook_signature_invalid"))
    assert await rows(shop, "webhook_events") == []
    assert await rows(shop, "outbox_events") == before
