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
from tests.factories.books import API

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
