"""Real checkouts while the database has no majority, and after all of it was killed."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from stack.faults import Fault
from stack.load.history import Kind
from stack.load.ordeals import lose_the_majority
from stack.load.run import run_under_load
from stack.running import Stack
from stack.tokens import access_token
from tests.failover.conftest import Told
from tests.failover.promises import assert_promises_kept

API = "/api/v1"
MEMBERS = ("mongo-1", "mongo-2", "mongo-3")
CLIENT_SECONDS = 15.0
"""As long as a client waits: an answer that takes longer is a lost connection to it."""

HEALED_SECONDS = 120.0
"""Recovery takes seconds; a busy machine may take longer, and is not what this is about."""

ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}


@pytest.fixture
async def buyer(system: Stack) -> AsyncIterator[httpx.AsyncClient]:
    token = await asyncio.to_thread(access_token, system, role="customer")
    async with httpx.AsyncClient(
        base_url=system.url, headers={"Authorization": f"Bearer {token}"}, timeout=CLIENT_SECONDS
    ) as client:
        yield client


@pytest.fixture
async def book(buyer: httpx.AsyncClient) -> str:
    found = await buyer.get(f"{API}/books", params={"in_stock": "true", "limit": 1})
    return str(found.json()["data"][0]["id"])


async def order(buyer: httpx.AsyncClient, book: str, *, key: str) -> httpx.Response:
    body = {"items": [{"book_id": book, "quantity": 1}], "shipping_address": ADDRESS}
    return await buyer.post(f"{API}/orders", json=body, headers={"Idempotency-Key": key})


async def order_until_placed(buyer: httpx.AsyncClient, book: str, *, key: str) -> str:
    """Do what a client does: send it again with the same key until the outcome is known."""
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            answer = await order(buyer, book, key=key)
            if answer.status_code == httpx.codes.CREATED:
                return str(answer.json()["id"])
            assert answer.json()["retryable"], answer.text
            await asyncio.sleep(0.2)


async def orders_of(buyer: httpx.AsyncClient) -> list[str]:
    async with asyncio.timeout(HEALED_SECONDS):
        while (answer := await buyer.get(f"{API}/orders", params={"limit": 100})).status_code != httpx.codes.OK:
            assert answer.json()["retryable"], answer.text
    return sorted(one["id"] for one in answer.json()["data"])


async def kill(system: Stack, *members: str) -> None:
    for member in members:
        await asyncio.to_thread(system.fault, Fault.KILL, member)


async def restart(system: Stack, *members: str) -> None:
    for member in members:
        await asyncio.to_thread(system.fault, Fault.RESTART, member)


async def test_without_a_majority_orders_are_refused_in_time_and_cached_reads_go_on(
    system: Stack, buyer: httpx.AsyncClient, book: str
) -> None:
    # given
    before = await order_until_placed(buyer, book, key=str(uuid4()))
    refused = [str(uuid4()) for _ in range(3)]
    reads: list[int] = []

    async def keep_reading() -> None:
        while True:
            reads.append((await buyer.get(f"{API}/books/{book}")).status_code)
            await asyncio.sleep(0.1)

    assert (await buyer.get(f"{API}/books/{book}")).status_code == httpx.codes.OK

    # when
    reading = asyncio.create_task(keep_reading())
    await kill(system, *MEMBERS[:2])
    try:
        answers = [await order(buyer, book, key=key) for key in refused]
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await restart(system, MEMBERS[0])

    # then every answer came in time and said what to do, and what was cached went on until we ended it
    assert reading.cancelled(), reading
    assert {answer.status_code for answer in answers} <= {503, 504}
    last = answers[-1]
    assert (last.status_code, last.json()["code"], last.json()["retryable"]) == (503, "no_primary", True)
    assert int(last.headers["retry-after"]) >= 1
    assert set(reads) == {200}

    # then one member more is enough, and each key is one order
    placed = [await order_until_placed(buyer, book, key=key) for key in refused]
    await restart(system, MEMBERS[1])
    assert await orders_of(buyer) == sorted({before, *placed})
    assert len({before, *placed}) == len(refused) + 1


async def test_what_was_acknowledged_is_there_after_all_members_were_killed(
    system: Stack, buyer: httpx.AsyncClient, book: str
) -> None:
    # given
    placed = [await order_until_placed(buyer, book, key=str(uuid4())) for _ in range(5)]

    # when
    await asyncio.gather(*(kill(system, member) for member in MEMBERS))
    await asyncio.gather(*(restart(system, member) for member in MEMBERS))

    # then
    assert await orders_of(buyer) == sorted(placed)


async def test_under_load_nothing_is_lost_without_a_majority_and_cached_reads_go_on(
    system: Stack, rate: float, tell: Told
) -> None:
    # when
    run = await run_under_load(system, lose_the_majority, rate=rate)
    tell("the majority is lost", run)

    # then
    assert_promises_kept(run)
    assert run.history.of({Kind.HOT}, succeeded=False) == []
