import itertools
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pytest

from app import clock
from app.ids import new_id
from app.lifespan import Resources
from app.models.book import Book
from app.schemas.book import Rating
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer
from tests.factories.books import API, a_book
from tests.factories.buying import a_stocked_book, an_address, order

FIELDS = ("title", "price", "published_year", "rating", "popularity", "created_at")
SORTS = [
    *FIELDS,
    *(f"-{field}" for field in FIELDS),
    *(
        f"{first}{one},{second}{other}"
        for (one, other) in itertools.pairwise((*FIELDS, FIELDS[0]))
        for first, second in (("", "-"), ("-", ""))
    ),
    "published_year,-rating,price",
    "-published_year,-rating,-popularity",
]


def _key(book: dict[str, Any], field: str) -> tuple[bool, Any]:
    value = {
        "title": book["search"]["title"],
        "price": book["price"]["amount"],
        "rating": book["rating"]["average"],
    }.get(field, book.get(field))
    return value is not None, 0 if value is None else value


def _sorted(books: list[dict[str, Any]], sort: str) -> list[str]:
    parts = sort.split(",")
    books = sorted(books, key=lambda book: book["_id"], reverse=parts[0].startswith("-"))
    for part in reversed(parts):
        field = part.removeprefix("-")
        books = sorted(books, key=lambda book: _key(book, field), reverse=part.startswith("-"))
    return [book["_id"] for book in books]


@pytest.fixture
async def books(shop: Resources) -> list[dict[str, Any]]:
    # Few different values, so that ties and missing ones are common.
    random = Random(7)
    now = clock.now()
    rows = []
    for number in range(40):
        title = random.choice(["ábc", "abc", "b", "B c"])
        book = Book(
            id=new_id("bk"),
            title=title,
            authors=["A"],
            price={"amount": random.choice([100, 200]), "currency": "USD"},
            published_year=random.choice([None, None, -44, 1999, 2005]),
            rating=Rating(average=random.choice([0.0, 3.5, 4.2]), count=number),
            popularity=random.choice([0, 1, 2]),
            created_at=now - timedelta(seconds=random.choice([0, 1])),
            updated_at=now,
        )
        document = book.model_dump(by_alias=True, exclude={"id"}) | {"_id": book.id}
        document["search"]["title"] = title.lower()
        rows.append(document)
    await shop.database.database["books"].insert_many(rows)
    return rows


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_are_the_sorted_list_cut_in_pieces(
    client: httpx.AsyncClient, books: list[dict[str, Any]], sort: str
) -> None:
    seen: list[str] = []
    url: str | None = f"{API}/books?limit=7&sort={sort}"
    while url:
        response = await client.get(url)
        assert response.status_code == 200, response.text
        page = response.json()["data"]
        seen += [book["id"] for book in page]
        url = response.links["next"]["url"] if "next" in response.links else None

    assert seen == _sorted(books, sort)


@pytest.mark.parametrize("sort", ["title", "-title,price"])
async def test_pages_go_on_after_the_longest_titles(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, sort: str
) -> None:
    # given: each letter becomes up to three, or eighteen
    titles = ["값 " * 249 + end for end in "ab"] + ["\ufdfa" * 499 + end for end in "ab"]
    for title in titles:
        await a_book(staff, title=title)

    # when
    seen, url = list[str](), f"{API}/books?limit=1&sort={sort}"
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        seen += [book["title"] for book in answer.json()["data"]]
        url = answer.links.get("next", {}).get("url", "")

    # then
    assert sorted(seen) == sorted(titles)


@pytest.mark.parametrize("what", ["sessions", "addresses", "events"])
async def test_what_belongs_to_one_person_has_pages_too(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient, what: str
) -> None:
    # given: three of each
    mine = bearer((await a_user(client))["access_token"])
    for _ in range(2):
        await client.post(f"{API}/auth/login", json={"login": "ada", "password": PASSWORD})
    for _ in range(3):
        await client.post(f"{API}/users/me/addresses", json=an_address(), headers=mine)
    book = await a_stocked_book(staff)
    key = {"Idempotency-Key": "one"}
    placed = (await order(client, (book, 1), headers=mine | key, payment_method="pm_card_visa")).json()
    await staff.post(f"{API}/orders/{placed['id']}/transitions", json={"to": "processing"})
    path = f"{API}/orders/{placed['id']}/events" if what == "events" else f"{API}/users/me/{what}"

    # when
    whole = (await client.get(f"{path}?include=total", headers=mine)).json()
    seen, url = list[Any](), str(f"{path}?limit=2")
    pages = 0
    while url:
        answer = await client.get(url, headers=mine)
        seen += answer.json()["data"]
        url, pages = answer.links.get("next", {}).get("url", ""), pages + 1

    # then
    assert len(whole["data"]) == 3
    assert whole["page"] == {"next_cursor": None, "has_more": False, "total": {"value": 3, "relation": "eq"}}
    assert (seen, pages) == (whole["data"], 2)
    assert_problem(await client.get(f"{path}?cursor=x", headers=mine), 400, "cursor_invalid")
    assert_problem(await client.get(f"{path}?limit=0", headers=mine), 422, "validation_error")


@pytest.mark.parametrize("what", ["low-stock", "movements", "audit-log", "refunds"])
async def test_staffs_lists_say_how_many_there_are_when_asked(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, admin: httpx.AsyncClient, what: str
) -> None:
    # given: two of each
    book = await a_stocked_book(staff, copies=3)
    await a_stocked_book(staff, copies=4)
    key = {"Idempotency-Key": "one"}
    placed = (await order(customer, (book, 1), headers=key, payment_method="pm_card_visa")).json()
    refunds = f"{API}/payments/{placed['payment']['id']}/refunds"
    for amount in (100, 200):
        body, key = {"amount": {"amount": amount, "currency": "USD"}}, {"Idempotency-Key": f"refund-{amount}"}
        assert (await staff.post(refunds, json=body, headers=key)).status_code == 201
    path = {
        "low-stock": f"{API}/inventory/low-stock",
        "movements": f"{API}/inventory/{book}/movements",
        "audit-log": f"{API}/admin/audit-log",
        "refunds": refunds,
    }[what]

    # when
    whole = (await admin.get(path)).json()
    part = (await admin.get(f"{path}?limit=1&include=total")).json()

    # then
    assert len(whole["data"]) > 1
    assert "total" not in whole["page"]
    assert part["page"]["total"] == {"value": len(whole["data"]), "relation": "eq"}
