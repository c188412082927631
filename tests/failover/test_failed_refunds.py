"""Refunds that a bank refuses after they were given, in a whole system: by webhook, relay and worker; nobody asks."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from stack.audit.auditing import audit, judged
from stack.audit.evidence import gather
from stack.mailbox import mails_in
from stack.tokens import access_token
from tests.factories.books import API
from tests.factories.buying import order_body
from tests.failover.world import PATIENCE, World


@dataclass(frozen=True)
class Counter:
    """Where a buyer and staff do business."""

    client: httpx.AsyncClient
    buyer: str
    staff: str

    async def post(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex}
        answer = await self.client.post(f"{API}{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def buy(self, book: str) -> dict[str, Any]:
        """Buy a copy by a card whose bank takes nothing back."""
        bought = order_body(items=[{"book_id": book, "quantity": 1}])
        return await self.post("/orders", bought | {"payment_method": "pm_card_refundFail"}, self.buyer)

    async def until_the_refund_failed(self, order: dict[str, Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self._now(order))["payment_status"] != "paid":
                await asyncio.sleep(0.2)

    async def _now(self, order: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.get(f"{API}/orders/{order['id']}", headers={"Authorization": f"Bearer {self.buyer}"})
        seen: dict[str, Any] = answer.json()
        return seen


@pytest.fixture
async def counter(world: World) -> AsyncIterator[Counter]:
    buyer, staff = (access_token(world.system, role=role) for role in ("customer", "staff"))
    async with httpx.AsyncClient(base_url=world.system.url, trust_env=False, timeout=60) as client:
        yield Counter(client, buyer, staff)


async def test_a_refund_that_fails_after_it_was_given_is_heard_of_and_leaves_nothing_to_find(
    world: World, counter: Counter
) -> None:
    # given
    order = await counter.buy(world.book)
    refund = await counter.post(f"/payments/{order['payment']['id']}/refunds", {}, counter.staff)
    assert refund["status"] == "succeeded"

    # when
    await counter.until_the_refund_failed(order)

    # then
    verdict = await audit(world.system, patience=PATIENCE)
    assert verdict.findings == []
    assert verdict.counts.given_back == verdict.counts.entered_out

    def letters() -> list[str]:
        subject = f"A refund didn't arrive ({order['number']})"
        return [mail.to for mail in mails_in(world.system.profile.mails) if mail.subject == subject]

    async with asyncio.timeout(PATIENCE):
        while not letters():
            await asyncio.sleep(0.2)
    assert letters() == [world.system.environment["BOOKSTORE_STAFF_EMAIL"]]


async def test_money_of_an_ended_order_that_staff_give_back_elsewhere_leaves_nothing_to_find(
    world: World, counter: Counter
) -> None:
    # given
    order = await counter.buy(world.book)
    await counter.post(f"/orders/{order['id']}/cancel", {}, counter.buyer)
    await counter.until_the_refund_failed(order)
    found = [one.subject for one in judged(await gather(world.system)) if one.fault == "not given back"]
    assert found == [order["id"]]

    # when
    transfer = {"elsewhere": True, "reason": "By transfer, since the card's bank refused"}
    given = await counter.post(f"/payments/{order['payment']['id']}/refunds", transfer, counter.staff)

    # then
    verdict = await audit(world.system, patience=PATIENCE)
    assert verdict.findings == []
    assert verdict.counts.given_elsewhere == given["amount"]["amount"]
    assert verdict.counts.given_back + verdict.counts.given_elsewhere == verdict.counts.entered_out
