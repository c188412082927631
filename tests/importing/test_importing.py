"""Rows become books once, whatever happens in between, and importing again changes nothing."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.database import Database
from app.errors import DependencyUnavailable
from app.importing.batches import RowVerdict, Verdict
from app.importing.imports import Tally, finish_import, import_rows
from app.importing.records import RowSource
from app.importing.sources import open_source
from app.importing.starter import StarterCatalogue
from app.importing.synthetic import SyntheticCatalogue
from app.lifespan import Resources
from app.models.book import Book
from app.models.category import Category
from app.models.inventory import Inventory, StockMovement
from app.models.search_term import SearchTerm
from app.schemas.book import BookView
from app.settings import Settings
from tests.importing.files import goodbooks, goodbooks_line, write

CHECKOUT: Final = Path(__file__).resolve().parents[2]


async def imported(shop: Resources, source: RowSource, *, dry_run: bool = False) -> list[RowVerdict]:
    return [row async for row in import_rows(shop.database, source, dry_run=dry_run)]


def verdicts_of(rows: Sequence[RowVerdict]) -> list[tuple[int, str]]:
    return [(row.line, row.verdict.value) for row in rows]


def stock_file(path: Path, *books: dict[str, Any]) -> RowSource:
    complete = [
        {"authors": ["Ann Ash"], "language": "en", "price": {"amount": 1299, "currency": "USD"}} | b for b in books
    ]
    return open_source(write(path / "stock.jsonl", [json.dumps(book) for book in complete]))


async def counts(database: Database) -> tuple[int, int, int]:
    """Count books, stocks and movements at one moment: a killed importer's last commit may still be on its way."""

    async def count(session: AsyncClientSession) -> tuple[int, int, int]:
        books, stocks, movements = [
            await database.database[name].count_documents({}, session=session)
            for name in ("books", "inventory", "stock_movements")
        ]
        return books, stocks, movements

    return await database.run_in_transaction(count)


async def test_an_imported_book_is_a_book_with_stock_and_the_movement_that_brought_it(
    shop: Resources, tmp_path: Path
) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1, title="Embers (Ash, #2)", isbn="306406152"))

    (row,) = await imported(shop, open_source(path))

    book = await Book.find_one({"source": "goodbooks:1"})
    assert book is not None
    assert (row.verdict, row.line, row.book_id) == (Verdict.CREATED, 2, book.id)
    assert (book.title, book.isbn13, book.language, book.popularity) == ("Embers", "9780306406157", "en", 1200)
    assert (book.price.amount, book.availability.value) == (799, "low_stock")
    assert book.search.terms == ["embers", "ash", "2", "nobody", "real", "9780306406157", "0306406152"]
    inventory = await Inventory.find_one({"_id": book.id})
    assert inventory is not None
    assert (inventory.on_hand, inventory.held, inventory.sold, inventory.received) == (5, 0, 0, 5)
    (movement,) = await StockMovement.of_book(book.id, before=None, limit=10)
    assert (movement.kind.value, movement.delta, movement.on_hand_after) == ("initial", 5, 5)
    assert (movement.reason, movement.actor) == ("goodbooks:1", "import")


async def test_an_imported_book_is_kept_as_one_that_staff_made(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = {"title": "Made", "authors": ["Ann Ash"], "language": "en", "price": {"amount": 1, "currency": "USD"}}
    assert (await staff.post("/api/v1/books", json=body)).status_code == 201
    await imported(shop, stock_file(tmp_path, {"title": "Brought"}))

    made, brought = [await shop.database.database["books"].find_one({"title": title}) for title in ("Made", "Brought")]

    assert made is not None
    assert brought is not None
    assert set(brought) - {"revision_id"} == set(made) - {"revision_id"}
    assert set(brought["search"]) == set(made["search"])
    assert BookView.model_validate(brought).availability == "out_of_stock"


async def test_importing_again_changes_nothing(shop: Resources, tmp_path: Path) -> None:
    path = goodbooks(tmp_path, *(goodbooks_line(number) for number in range(1, 1_201)))
    first = await imported(shop, open_source(path))
    before = await shop.database.database["books"].find().sort("_id").to_list()

    second = await imported(shop, open_source(path))

    assert {row.verdict for row in first} == {Verdict.CREATED}
    assert {row.verdict for row in second} == {Verdict.UNCHANGED}
    assert [row.book_id for row in second] == [row.book_id for row in first]
    assert await shop.database.database["books"].find().sort("_id").to_list() == before
    assert (await counts(shop.database))[:2] == (1_200, 1_200)


async def test_only_what_differs_is_updated_and_stock_and_archiving_stay(shop: Resources, tmp_path: Path) -> None:
    books = [{"title": "Embers", "stock": 9, "pages": 300}, {"title": "Ashes", "stock": 2}]
    first = await imported(shop, stock_file(tmp_path, *books))
    books_collection = shop.database.database["books"]
    moment = clock.now()
    await books_collection.update_one({"title": "Ashes"}, {"$set": {"archived_at": moment, "publisher": "By hand"}})

    books[0] |= {"stock": 50, "price": {"amount": 1499, "currency": "USD"}, "series": {"name": "Fires"}}
    second = await imported(shop, stock_file(tmp_path, *books))

    assert verdicts_of(second) == [(1, "updated"), (2, "unchanged")]
    assert second[0].detail == "price, series"
    embers = await Book.find_one({"title": "Embers"})
    assert embers is not None
    assert (embers.id, embers.price.amount, embers.pages) == (first[0].book_id, 1499, 300)
    assert embers.search.series_key == "fires"
    assert embers.updated_at > embers.created_at
    inventory = await Inventory.find_one({"_id": embers.id})
    assert inventory is not None
    assert inventory.on_hand == 9
    ashes = await books_collection.find_one({"title": "Ashes"})
    assert ashes is not None
    assert (ashes["archived_at"], ashes["publisher"]) == (moment, "By hand")


async def test_a_price_that_a_rule_made_up_does_not_overwrite_the_shops_own(shop: Resources, tmp_path: Path) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1))
    await imported(shop, open_source(path))
    own = {"price": {"amount": 1, "currency": "USD"}, "format": "ebook"}
    await shop.database.database["books"].update_one({}, {"$set": own})

    (row,) = await imported(shop, open_source(path))

    book = await shop.database.database["books"].find_one({})
    assert book is not None
    assert (row.verdict, {name: book[name] for name in own}) == (Verdict.UNCHANGED, own)


async def test_the_isbn_of_another_book_fails_the_row_and_the_others_go_on(shop: Resources, tmp_path: Path) -> None:
    first = await imported(shop, open_source(goodbooks(tmp_path, goodbooks_line(1, isbn="306406152"))))

    rows = await imported(
        shop, stock_file(tmp_path, {"title": "A"}, {"title": "B", "isbn10": "0306406152"}, {"title": "C"})
    )

    assert verdicts_of(rows) == [(1, "created"), (2, "failed"), (3, "created")]
    assert rows[1].code == "isbn_taken"
    assert rows[1].detail == f"The ISBN 9780306406157 belongs to the book {first[0].book_id}."
    assert (await counts(shop.database))[0] == 3


async def test_two_imports_of_the_same_books_at_once_make_each_book_once(shop: Resources) -> None:
    results = await asyncio.gather(*(imported(shop, SyntheticCatalogue(1_500, seed=3)) for _ in range(3)))

    assert await counts(shop.database) == (1_500, 1_500, await Inventory.find({"on_hand": {"$gt": 0}}).count())
    for rows in zip(*results, strict=True):
        assert {row.book_id for row in rows} == {rows[0].book_id}
        assert {row.verdict for row in rows} <= {Verdict.CREATED, Verdict.UNCHANGED}
        assert sum(row.verdict is Verdict.CREATED for row in rows) == 1


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(shop: Resources, tmp_path: Path) -> None:
    await imported(shop, stock_file(tmp_path, {"title": "Embers"}))
    before = await counts(shop.database)
    books: list[dict[str, Any]] = [
        {"title": "Embers", "pages": 3},
        {"title": "New", "categories": ["new/shelf"]},
        {"title": ""},
    ]

    rows = await imported(shop, stock_file(tmp_path, *books), dry_run=True)

    assert verdicts_of(rows) == [(1, "updated"), (2, "created"), (3, "failed")]
    assert rows[1].book_id is None
    assert await counts(shop.database) == before
    assert await Category.everything() == []


async def test_missing_categories_are_made_as_a_tree_and_existing_ones_found(shop: Resources, tmp_path: Path) -> None:
    await imported(shop, stock_file(tmp_path, {"title": "A", "categories": ["fiction/science-fiction"]}))
    fiction = await Category.of_reference("fiction")
    assert fiction is not None

    books = [
        {"title": "B", "categories": [fiction.id, "science-fiction", "Fiction/Kids & Teens"]},
        {"title": "C", "categories": ["non-fiction/history", "fiction/history"]},
        {"title": "D", "categories": ["fiction/???"]},
        {"title": "E", "categories": ["a/b/c/d/e/f/g/h/i"]},
    ]
    rows = await imported(shop, stock_file(tmp_path, *books))

    tree = {category.slug: category for category in await Category.everything()}
    assert verdicts_of(rows) == [(1, "created"), (2, "created"), (3, "failed"), (4, "failed")]
    assert [row.code for row in rows[2:]] == ["category_invalid", "category_invalid"]
    assert {slug: category.name for slug, category in tree.items()} == {
        "fiction": "Fiction",
        "science-fiction": "Science Fiction",
        "kids-and-teens": "Kids & Teens",
        "non-fiction": "Non Fiction",
        "history": "History",
        "fiction-history": "History",
    }
    assert tree["fiction-history"].path == [fiction.id, tree["fiction-history"].id]
    book = await Book.find_one({"title": "B"})
    assert book is not None
    assert [category.slug for category in book.categories] == ["fiction", "science-fiction", "kids-and-teens"]
    assert book.category_path == sorted([fiction.id, tree["science-fiction"].id, tree["kids-and-teens"].id])


async def test_the_starter_catalogue_fills_an_empty_shop(shop: Resources) -> None:
    tally = Tally()
    async for row in import_rows(shop.database, StarterCatalogue()):
        tally.add(row)
    await finish_import(tally)

    assert tally.verdicts == {Verdict.CREATED: 323}
    assert await counts(shop.database) == (323, 323, await Inventory.find({"on_hand": {"$gt": 0}}).count())
    assert len(await Category.everything()) == 26
    word = await SearchTerm.find_one({"_id": "hobbit"})
    assert word is not None
    assert word.df == 1


async def test_the_hook_learns_of_every_book_that_was_made_or_changed(shop: Resources, tmp_path: Path) -> None:
    await imported(shop, stock_file(tmp_path, {"title": "Same"}, {"title": "Changed"}))
    told: list[str] = []

    async def remember(book_ids: Sequence[str]) -> None:
        told.extend(book_ids)

    books: list[dict[str, Any]] = [{"title": "Same"}, {"title": "Changed", "pages": 1}, {"title": "New"}]
    rows = [r async for r in import_rows(shop.database, stock_file(tmp_path, *books), after_commit=remember)]

    assert sorted(told) == sorted(row.book_id or "" for row in rows[1:])


async def test_the_hook_learns_of_books_whose_commit_lost_its_answer(
    shop: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intact, lost, told = shop.database.run_in_transaction, list[Any](), list[str]()

    async def loses_the_first_answer(*args: Any, **kwargs: Any) -> Any:
        result = await intact(*args, **kwargs)
        if not lost:
            lost.append(result)
            raise DependencyUnavailable("The connection broke.")
        return result

    async def remember(book_ids: Sequence[str]) -> None:
        told.extend(book_ids)

    monkeypatch.setattr(shop.database, "run_in_transaction", loses_the_first_answer)
    rows = [r async for r in import_rows(shop.database, stock_file(tmp_path, {"title": "New"}), after_commit=remember)]

    assert [row.verdict for row in rows] == [Verdict.CREATED]
    assert told == [rows[0].book_id]


@pytest.mark.parametrize("after_rows", [300, 1_200])
async def test_a_killed_import_goes_on_where_it_stopped(shop: Resources, settings: Settings, after_rows: int) -> None:
    command = [sys.executable, "-m", "app.importing", "--synthetic", "2500", "--seed", "9"]
    environment = os.environ | {"BOOKSTORE_MONGO_DATABASE": settings.mongo_database}
    killed = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=CHECKOUT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    while killed.returncode is None and (await counts(shop.database))[0] < after_rows:  # no event tells
        await asyncio.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert await killed.wait() == -signal.SIGKILL
    left = await counts(shop.database)
    assert left[0] == left[1] >= after_rows

    again = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, _ = await again.communicate()

    assert again.returncode == 0
    books, stocks, movements = await counts(shop.database)
    assert (books, stocks) == (2_500, 2_500)
    assert movements == await Inventory.find({"on_hand": {"$gt": 0}}).count()
    assert b"created" in output
    assert {row.verdict for row in await imported(shop, SyntheticCatalogue(2_500, seed=9))} == {Verdict.UNCHANGED}
