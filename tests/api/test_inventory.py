import asyncio
import uuid
from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from tests.factories.books import API, a_book, stock_of


async def _change(staff: httpx.AsyncClient, book_id: str, **change: Any) -> httpx.Response:
    return await staff.patch(f"{API}/inventory/{book_id}", json={"reason": "a test"} | change)


async def _change_for_sure(staff: httpx.AsyncClient, book_id: str, **change: Any) -> httpx.Response:
    # What API.md asks of clients: after 503 and 504 the same again with the same key.
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    while True:
        body = {"reason": "a test"} | change
        answer = await staff.patch(f"{API}/inventory/{book_id}", json=body, headers=headers)
        if answer.status_code not in {503, 504}:
            return answer


async def _hold(shop: Resources, book_id: str, copies: int) -> None:
    # Orders will do this; until then no use case holds copies.
    await shop.database.database["inventory"].update_one({"_id": book_id}, {"$set": {"held": copies}})


async def _stock(staff: httpx.AsyncClient, book_id: str) -> tuple[int, int, int]:
    stock = (await staff.get(f"{API}/inventory/{book_id}")).json()
    return stock["on_hand"], stock["held"], stock["available"]


async def test_copies_are_put_in_taken_out_and_counted(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)

    answers = [
        await _change(staff, book["id"], delta=10),
        await _change(staff, book["id"], delta=-3),
        await _change(staff, book["id"], set=25),
        await _change(staff, book["id"], set=25),
        await _change(staff, book["id"], delta=0),
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json()["on_hand"] for answer in answers] == [10, 7, 25, 25, 25]
    assert await _stock(staff, book["id"]) == (25, 0, 25)
    movements = (await staff.get(f"{API}/inventory/{book['id']}/movements")).json()["data"]
    assert [(one["kind"], one["delta"], one["on_hand_after"]) for one in movements] == [
        ("correction", 18, 25),
        ("correction", -3, 7),
        ("restock", 10, 10),
    ]
    assert {one["reason"] for one in movements} == {"a test"}


async def test_what_orders_hold_is_never_taken(staff: httpx.AsyncClient, shop: Resources) -> None:
    book = await a_book(staff)
    await stock_of(staff, book["id"], 5)
    await _hold(shop, book["id"], 3)

    refused = [await _change(staff, book["id"], delta=-3), await _change(staff, book["id"], set=2)]
    allowed = await _change(staff, book["id"], delta=-2)

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(409, "insufficient_stock")] * 2
    assert refused[0].json()["lines"] == [{"book_id": book["id"], "requested": 3, "available": 2}]
    assert allowed.status_code == 200
    assert await _stock(staff, book["id"]) == (3, 3, 0)
    assert (await staff.get(f"{API}/books/{book['id']}")).json()["availability"] == "out_of_stock"


async def test_fifty_deltas_at_once_all_count(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    await stock_of(staff, book["id"], 100)
    deltas = [2] * 25 + [-3] * 25

    answers = await asyncio.gather(*(_change_for_sure(staff, book["id"], delta=delta) for delta in deltas))

    assert [answer.status_code for answer in answers] == [200] * 50
    assert await _stock(staff, book["id"]) == (75, 0, 75)
    movements = (await staff.get(f"{API}/inventory/{book['id']}/movements?limit=100")).json()["data"]
    assert sorted(one["delta"] for one in movements) == sorted([*deltas, 100])
    assert sum(one["delta"] for one in movements) == 75


async def test_the_last_copies_are_taken_once(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    await stock_of(staff, book["id"], 3)

    answers = await asyncio.gather(*(_change_for_sure(staff, book["id"], delta=-1) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    assert await _stock(staff, book["id"]) == (0, 0, 0)


async def test_movements_come_in_pages_newest_first(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    for delta in range(1, 6):
        await _change(staff, book["id"], delta=delta)

    seen: list[list[int]] = []
    url: str | None = f"{API}/inventory/{book['id']}/movements?limit=2"
    while url:
        response = await staff.get(url)
        seen.append([one["delta"] for one in response.json()["data"]])
        await _change(staff, book["id"], delta=100)
        url = response.links["next"]["url"] if "next" in response.links else None

    assert seen == [[5, 4], [3, 2], [1]]


async def test_low_stock_comes_in_pages_emptiest_first(staff: httpx.AsyncClient) -> None:
    copies = [4, 0, 6, 5, 0, 100, 1]
    ids = [(await a_book(staff, title=f"Book {n}"))["id"] for n in range(len(copies))]
    for book_id, number in zip(ids, copies, strict=True):
        await stock_of(staff, book_id, number)

    seen: list[tuple[int, str]] = []
    url: str | None = f"{API}/inventory/low-stock?limit=2"
    while url:
        response = await staff.get(url)
        assert response.headers["cache-control"] == "private, no-store"
        seen += [(one["on_hand"], one["book_id"]) for one in response.json()["data"]]
        url = response.links["next"]["url"] if "next" in response.links else None

    assert seen == sorted((number, book_id) for number, book_id in zip(copies, ids, strict=True) if number <= 5)


async def test_what_orders_hold_does_not_count_as_stock(staff: httpx.AsyncClient, shop: Resources) -> None:
    # given: copies on hand, and how many of them orders hold
    stocks = [(4, 0), (100, 99), (3, 0), (50, 48), (5, 5), (0, 0), (20, 10), (100, 0)]
    ids = [(await a_book(staff, title=f"Book {n}"))["id"] for n in range(len(stocks))]
    for book_id, (on_hand, held) in zip(ids, stocks, strict=True):
        await stock_of(staff, book_id, on_hand)
        await _hold(shop, book_id, held)

    # when
    seen: list[tuple[int, str]] = []
    totals: list[int] = []
    url: str | None = f"{API}/inventory/low-stock?limit=2&include=total"
    while url:
        response = await staff.get(url)
        seen += [(one["available"], one["book_id"]) for one in response.json()["data"]]
        totals.append(response.json()["page"]["total"]["value"])
        url = response.links["next"]["url"] if "next" in response.links else None

    # then
    available = [(on_hand - held, book_id) for book_id, (on_hand, held) in zip(ids, stocks, strict=True)]
    assert seen == sorted(one for one in available if one[0] <= 5)
    assert totals == [6, 6, 6]


async def test_low_stock_is_of_books_on_sale(staff: httpx.AsyncClient) -> None:
    kept, archived = [await a_book(staff, title=title) for title in ("Kept", "Archived")]
    path = f"{API}/books/{archived['id']}"
    await staff.delete(path, headers={"If-Match": (await staff.get(path)).headers["etag"]})

    page = (await staff.get(f"{API}/inventory/low-stock?include=total")).json()

    assert [one["book_id"] for one in page["data"]] == [kept["id"]]
    assert page["page"]["total"] == {"value": 1, "relation": "eq"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "r"},
        {"delta": 1},
        {"delta": 1, "set": 1, "reason": "r"},
        {"delta": 1.0, "reason": "r"},
        {"delta": "1", "reason": "r"},
        {"delta": True, "reason": "r"},
        {"delta": None, "reason": "r"},
        {"set": -1, "reason": "r"},
        {"set": 1_000_001, "reason": "r"},
        {"delta": 10**30, "reason": "r"},
        {"delta": 1, "reason": "   "},
        {"delta": 1, "reason": "a\u0000b"},
        {"delta": {"$gt": 0}, "reason": "r"},
        {"$inc": {"on_hand": 5}, "reason": "r"},
        {"delta": 1, "reason": "r", "on_hand": 5},
        [],
        "delta",
        None,
    ],
)
async def test_a_wrong_change_changes_nothing(staff: httpx.AsyncClient, body: Any) -> None:
    book = await a_book(staff)

    response = await staff.patch(f"{API}/inventory/{book['id']}", json=body)

    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert response.json()["errors"]
    assert await _stock(staff, book["id"]) == (0, 0, 0)


async def test_there_is_no_stock_of_an_unknown_book(staff: httpx.AsyncClient) -> None:
    for book_id in ("bk_01J00000000000000000000000", "x", "$ne"):
        answers = [
            await staff.get(f"{API}/inventory/{book_id}"),
            await staff.get(f"{API}/inventory/{book_id}/movements"),
            await _change(staff, book_id, delta=1),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 3
