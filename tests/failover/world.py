"""A shop for the audit to look at, in which something was bought."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from stack.audit.findings import Verdict
from stack.running import Stack
from stack.tokens import access_token
from tests.factories.books import API, book_body
from tests.factories.buying import order_body

VISA = "pm_card_visa"

PATIENCE = 60.0
"""Seconds in which letters and webhooks under way arrive on any machine."""


@dataclass(frozen=True)
class World:
    """A shop in which something was bought: `order` is paid, `cancelled` was given back."""

    system: Stack
    database: AsyncDatabase[dict[str, Any]]
    book: str
    order: str
    payment: str
    cancelled: str


@asynccontextmanager
async def a_world(system: Stack) -> AsyncIterator[World]:
    staff, buyer = access_token(system, role="staff"), access_token(system, role="customer")

    def headers(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex}

    async with (
        httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=60) as client,
        AsyncMongoClient[dict[str, Any]](system.environment["BOOKSTORE_MONGO_URL"]) as mongo,
    ):
        book = (await client.post(f"{API}/books", json=book_body(), headers=headers(staff))).json()["id"]
        await client.patch(f"{API}/inventory/{book}", json={"set": 20, "reason": "audit"}, headers=headers(staff))
        body = order_body(items=[{"book_id": book, "quantity": 2}])

        async def buy(**more: Any) -> dict[str, Any]:
            answer = await client.post(f"{API}/orders", json=body | more, headers=headers(buyer))
            assert answer.status_code == 201, answer.text
            placed: dict[str, Any] = answer.json()
            return placed

        paid, cancelled, _ = await buy(payment_method=VISA), await buy(payment_method=VISA), await buy()
        await client.post(f"{API}/orders/{cancelled['id']}/cancel", headers=headers(buyer))
        refund = {"amount": {"amount": 100, "currency": "USD"}}
        await client.post(f"{API}/payments/{paid['payment']['id']}/refunds", json=refund, headers=headers(staff))
        yield World(system, mongo["bookstore"], book, paid["id"], paid["payment"]["id"], cancelled["id"])


def names(verdict: Verdict) -> set[tuple[str, str, str]]:
    return {(finding.invariant.name, finding.subject, finding.fault) for finding in verdict.findings}


def location_of_order(world: World) -> str:
    return f"{API}/orders/{world.order}"
