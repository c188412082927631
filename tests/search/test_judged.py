"""Of each kind of query, nearly all find the right title among the first five."""

import os
from pathlib import Path

import httpx
import pytest

from app.importing.imports import Tally, finish_import, import_rows
from app.importing.records import RowSource
from app.importing.sources import FileFormat, open_source
from app.importing.starter import StarterCatalogue
from app.lifespan import Resources
from app.models.book import LIVE, Book
from app.search.vocabulary_feed import VocabularyFeed
from tests.factories.books import API
from tests.search.judged_queries import SHOWN, Shelved, draw, table

FLOOR = 0.98
PER_KIND = 200
SEED = 20_26


def catalogue() -> RowSource:
    """Return goodbooks-10k where it is at hand, else the starter catalogue."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "goodbooks" / "books.csv"
    path = Path(os.environ.get("BOOKSTORE_GOODBOOKS") or beside)
    return open_source(path, FileFormat.GOODBOOKS) if path.is_file() else StarterCatalogue()


async def shelved() -> list[Shelved]:
    books = await Book.find(LIVE).sort("+source").to_list()
    return [
        Shelved(
            id=book.id,
            title=book.title,
            authors=tuple(book.authors),
            series=book.series.name if book.series else None,
            series_position=book.series.position if book.series else None,
            isbn13=book.isbn13,
        )
        for book in books
    ]


async def test_nearly_all_queries_of_each_kind_find_what_was_meant(
    shop: Resources, client: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    async for row in import_rows(shop.database, catalogue()):
        tally.add(row)
    await finish_import(tally)
    books = await shelved()

    rates: dict[str, tuple[int, int]] = {}
    for kind, queries in draw(books, per_kind=PER_KIND, seed=SEED).items():
        right = 0
        for judged in queries:
            response = await client.get(f"{API}/books/search", params={"q": judged.query, "limit": SHOWN})
            assert response.status_code == 200, response.text
            right += any(hit["id"] in judged.right for hit in response.json()["data"])
        if queries:
            rates[kind] = (right, len(queries))

    with capsys.disabled():
        print(f"\nsearch over {len(books):,} books", *table(rates), sep="\n")  # the measured table
    assert {kind for kind, (right, asked) in rates.items() if right < FLOOR * asked} == set()
