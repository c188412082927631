import asyncio

import httpx
from redis.asyncio import Redis

from app.lifespan import Resources
from tests.api.test_problems import assert_problem
from tests.factories.books import API, a_book, book_body
from tests.factories.buying import a_stocked_book, order, order_body


async def test_a_repeat_with_the_same_key_gives_the_same_answer(staff: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}

    first = await staff.post(f"{API}/books", json=book_body(), headers=headers)
    again = await staff.post(f"{API}/books", json=book_body(), headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (first.headers["location"], first.headers["etag"]) == (again.headers["location"], again.headers["etag"])
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


async def test_fifty_identical_requests_at_once_have_one_effect(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    path, change = f"{API}/inventory/{book['id']}", {"delta": 7, "reason": "a delivery"}

    answers = await asyncio.gather(
        *(staff.patch(path, json=change, headers={"Idempotency-Key": "delivery-1"}) for _ in range(50))
    )

    assert [answer.status_code for answer in answers] == [200] * 50
    assert len({answer.content for answer in answers}) == 1
    assert (await staff.get(path)).json()["on_hand"] == 7
    assert len((await staff.get(f"{path}/movements")).json()["data"]) == 1


async def test_a_key_belongs_to_one_request_and_one_person(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "mine"}
    await staff.post(f"{API}/books", json=book_body(), headers=headers)

    other = await staff.post(f"{API}/books", json=book_body(title="Another"), headers=headers)
    foreign = await customer.post(f"{API}/books", json=book_body(), headers=headers)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert foreign.status_code == 403


async def test_a_refused_request_may_be_mended_under_the_same_key(staff: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "mended"}
    refused = await staff.post(f"{API}/books", json=book_body(categories=["poetry"]), headers=headers)
    await staff.post(f"{API}/categories", json={"name": "Poetry"})

    mended = await staff.post(f"{API}/books", json=book_body(categories=["poetry"]), headers=headers)

    assert (refused.status_code, mended.status_code) == (422, 201)


async def test_keys_are_checked(staff: httpx.AsyncClient) -> None:
    for key in ("", "a b", "x" * 256):
        response = await staff.post(f"{API}/books", json=book_body(), headers={"Idempotency-Key": key})
        assert response.status_code == 422, key


async def test_two_keys_in_one_request_are_refused(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    two = [("Idempotency-Key", "first"), ("Idempotency-Key", "second")]
    same = [("Idempotency-Key", "first")] * 2

    refused = [
        await staff.post(f"{API}/books", json=book_body(), headers=two),
        await customer.post(f"{API}/orders", json=order_body(), headers=two),
        await customer.post(f"{API}/carts", headers=two),
    ]
    made = await staff.post(f"{API}/books", json=book_body(), headers=same)

    for answer in refused:
        [field] = assert_problem(answer, 422, "validation_error")["errors"]
        assert (field["pointer"], field["code"]) == ("header:Idempotency-Key", "ambiguous")
    assert made.status_code == 201


async def test_answers_survive_a_flush_of_redis(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    book, headers = await a_stocked_book(staff, 5), {"Idempotency-Key": "ordered-once"}
    placed = await order(customer, (book, 1), headers=headers)

    # when
    for url in (shop.settings.cache_url, shop.settings.broker_url):
        async with Redis.from_url(url.get_secret_value()) as redis:
            await redis.flushdb()
    again = await order(customer, (book, 1), headers=headers)

    # then
    assert (placed.status_code, again.status_code) == (201, 201)
    assert again.content == placed.content
    assert again.headers["idempotency-replayed"] == "true"
    assert await shop.database.database["orders"].count_documents({}) == 1
