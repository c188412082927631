"""Whatever dies while letters are on their way: each comes, and once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis.asyncio
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from app.ids import new_id
from stack.faults import Fault
from stack.mailbox import mails_in
from stack.running import Stack
from stack.tokens import access_token
from tests.factories.accounts import bearer
from tests.factories.books import book_body
from tests.factories.buying import order_body
from tests.failover.world import VISA
from tests.outbox.sink import eventually

LETTERS = 6


class Post:
    """Buys, and makes titles run low: buyers and staff get a letter about it; and looks what came of it."""

    def __init__(self, system: Stack, http: httpx.AsyncClient, rows: AsyncCollection[dict[str, Any]]) -> None:
        self.system = system
        self.http = http
        self.staff = bearer(access_token(system, role="staff"))
        self.buyer = bearer(access_token(system, role="customer"))
        self.rows = rows
        self.expected: set[str] = set()

    async def make_events(self) -> None:
        # Books of its own: tests before left orders that hold copies of others.
        books = [await self.a_book() for _ in range(LETTERS)]
        orders = []
        for book in books:
            orders.append((await self.buy(book))["id"])
            await self._write("PATCH", f"/inventory/{book}", {"set": 1, "reason": "test"})
        told = {
            "$or": [
                {"kind": "order.paid", "subject": {"$in": orders}},
                {"kind": "stock.low", "subject": {"$in": books}},
            ]
        }
        await self.until(told, count=2 * LETTERS)
        self.expected |= {row["_id"] async for row in self.rows.find(told, {"_id": 1})}

    async def a_book(self) -> str:
        book = str((await self._write("POST", "/books", book_body()))["id"])
        await self._write("PATCH", f"/inventory/{book}", {"set": 100, "reason": "test"})
        return book

    async def buy(self, book: str) -> dict[str, Any]:
        bought = order_body(items=[{"book_id": book, "quantity": 1}], payment_method=VISA)
        return await self._write("POST", "/orders", bought, by=self.buyer)

    async def cancel(self, order: dict[str, Any]) -> None:
        await self._write("POST", f"/orders/{order['id']}/cancel", {}, by=self.buyer)

    async def _write(
        self, method: str, path: str, body: dict[str, Any], *, by: dict[str, str] | None = None
    ) -> dict[str, Any]:
        key, answers = {"Idempotency-Key": new_id("key")}, list[dict[str, Any]]()

        async def done() -> bool:
            try:
                answer = await self.http.request(method, path, json=body, headers=key | (by or self.staff))
            except httpx.TransportError:
                return False
            assert answer.status_code in {200, 201, 502, 503, 504}, answer.text
            answers.append(answer.json())
            return answer.is_success

        await eventually(done)
        return answers[-1]

    async def until(self, condition: dict[str, Any], *, count: int = 1) -> None:
        """Wait until so many events are like this."""

        async def so() -> bool:
            try:
                return await self.rows.count_documents(condition) >= count
            except PyMongoError:
                return False

        await eventually(so)

    async def fault(self, fault: Fault, name: str) -> None:
        await asyncio.to_thread(self.system.fault, fault, name)

    def pool(self) -> list[int]:
        """The worker's child processes."""
        parent = next(row["pid"] for row in self.system.status()["processes"] if row["name"] == "worker")
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]

    async def assert_each_letter_came_once(self) -> None:
        await self.until({"_id": {"$in": sorted(self.expected)}, "state": "delivered"}, count=len(self.expected))
        identities = {f"<{event}@bookstore.example>" for event in self.expected}
        came = [one.identity for one in mails_in(self.system.profile.mails) if one.identity in identities]
        assert sorted(came) == sorted(identities)
        assert len(self.expected) == 2 * LETTERS


@pytest.fixture
async def post(system: Stack) -> AsyncIterator[Post]:
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=f"{system.url}/api/v1", timeout=20))
        mongo: AsyncMongoClient[dict[str, Any]] = await opened.enter_async_context(
            AsyncMongoClient(system.environment["BOOKSTORE_MONGO_URL"])
        )
        yield Post(system, http, mongo["bookstore"]["outbox_events"])


Trouble = Callable[[Post], Awaitable[None]]


async def nothing(post: Post) -> None:
    await post.make_events()


async def broker_flushed(post: Post) -> None:
    await post.fault(Fault.KILL, "worker")
    await post.make_events()
    async with redis.asyncio.Redis(port=post.system.profile.ports.redis_broker) as broker:
        await eventually(lambda: broker.llen("celery"))
        await broker.flushall()
    await post.fault(Fault.RESTART, "worker")


async def broker_killed_with_its_data(post: Post) -> None:
    await post.fault(Fault.KILL, "worker")
    await post.make_events()
    await post.fault(Fault.KILL, "redis-broker")
    for file in (post.system.profile.data / "redis-broker").rglob("*.aof*"):
        file.unlink()
    await post.fault(Fault.RESTART, "redis-broker")
    await post.fault(Fault.RESTART, "worker")


async def broker_hangs(post: Post) -> None:
    await post.fault(Fault.STOP, "redis-broker")
    await post.make_events()
    await post.fault(Fault.CONT, "redis-broker")


async def child_killed_in_a_task(post: Post) -> None:
    await post.fault(Fault.STOP, "mail")
    await post.make_events()
    await post.until({"state": "waiting", "attempts": {"$gt": 0}})
    for pid in post.pool():
        os.kill(pid, signal.SIGKILL)
    await post.fault(Fault.CONT, "mail")


async def worker_killed_in_a_task(post: Post) -> None:
    await post.fault(Fault.STOP, "mail")
    await post.make_events()
    await post.until({"state": "waiting", "attempts": {"$gt": 0}})
    await post.fault(Fault.KILL, "worker")
    await post.fault(Fault.CONT, "mail")
    await post.fault(Fault.RESTART, "worker")


async def mail_server_down(post: Post) -> None:
    await post.fault(Fault.KILL, "mail")
    await post.make_events()
    await post.until({"state": "waiting", "error": {"$regex": "^Mail"}})
    await post.fault(Fault.RESTART, "mail")


async def relay_killed(post: Post) -> None:
    await post.fault(Fault.KILL, "relay")
    await post.make_events()
    await post.fault(Fault.RESTART, "relay")


async def primary_killed_with_events_queued(post: Post) -> None:
    await post.fault(Fault.KILL, "relay")
    await post.make_events()
    await post.fault(Fault.RESTART, "relay")
    await post.fault(Fault.KILL, "primary")
    await post.fault(Fault.RESTART, "primary")


@pytest.mark.parametrize(
    "trouble",
    [
        nothing,
        broker_flushed,
        broker_killed_with_its_data,
        broker_hangs,
        child_killed_in_a_task,
        worker_killed_in_a_task,
        mail_server_down,
        relay_killed,
        primary_killed_with_events_queued,
    ],
)
async def test_each_letter_comes_once(post: Post, trouble: Trouble) -> None:
    await trouble(post)

    await post.assert_each_letter_came_once()


async def test_money_goes_back_while_nobody_has_time_for_anything_but_letters(post: Post) -> None:
    # given: as if a mail server that hangs had all who send letters
    order = await post.buy(await post.a_book())
    await post.fault(Fault.KILL, "worker")

    # when
    await post.cancel(order)

    # then
    await post.until({"kind": "payment.unsettled", "subject": order["payment"]["id"], "state": "delivered"})
    letters = {"kind": {"$in": ["order.cancelled", "order.refunded"]}, "subject": order["id"]}
    await post.until(letters | {"state": "waiting"}, count=2)

    # then the letters come, too
    await post.fault(Fault.RESTART, "worker")
    await post.until(letters | {"state": "delivered"}, count=2)
