"""Imported books stand where the catalogue has their categories now, whatever happens to those meanwhile."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import NoPrimary
from app.importing.batches import RowVerdict, Verdict
from app.importing.imports import BATCH_ROWS, import_rows
from app.importing.records import RowSource
from app.importing.sources import open_source
from app.lifespan import Resources
from app.models.book import Book
from app.models.category import Category
from app.services.shelving import relabel_books
from tests.factories.books import API, a_category, book_body
from tests.importing.files import write


def stock_file(path: Path, titles: Iterable[str], *categories: str) -> RowSource:
    rows = [json.dumps(book_body(title=title, categories=categories)) for title in titles]
    return open_source(write(path / "stock.jsonl", rows))


async def shelves_of(shop: Resources, what: str) -> dict[str, int]:
    found: dict[str, int] = {}
    async for book in shop.database.database["books"].find({}):
        for category in book["categories"]:
            found[category[what]] = found.get(category[what], 0) + 1
    return found


async def test_a_category_renamed_during_an_import_has_its_new_name_in_the_books_after(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    # given
    category = await a_category(staff, name="Old", slug="old")
    titles = [f"Book {number}" for number in range(4 * BATCH_ROWS)]
    rows: list[RowVerdict] = []

    # when
    async for row in import_rows(shop.database, stock_file(tmp_path, titles, category["id"])):
        rows.append(row)
        if len(rows) == 1:
            renamed = {"name": "New", "slug": "new"}
            path, headers = f"{API}/categories/{category['id']}", {"If-Match": "*"}
            assert (await staff.patch(path, json=renamed, headers=headers)).status_code == 200
    late = {"_id": {"$in": [row.book_id for row in rows[2 * BATCH_ROWS :]]}}

    # then: only batches that were on their way may need the job that comes after a change
    assert {row.verdict for row in rows} == {Verdict.CREATED}
    assert await shop.database.database["books"].distinct("categories", late) == [
        {"id": category["id"], "slug": "new", "name": "New"}
    ]


async def test_an_import_reads_the_tree_anew_for_each_batch(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    # given: a category that goes away under the import, and is made again by another
    await a_category(staff, name="Fiction")
    titles = [f"Book {number}" for number in range(4 * BATCH_ROWS)]

    # when
    rows = 0
    async for _ in import_rows(shop.database, stock_file(tmp_path, titles, "fiction")):
        rows += 1
        if rows == 1:
            await shop.database.database["categories"].delete_many({})
    await relabel_books(shop.database)

    # then: no book names the one that is gone
    [category] = await Category.everything()
    assert list(await shelves_of(shop, "id")) == [category.id]


async def test_a_category_whose_slugs_are_taken_elsewhere_is_made_under_a_further_one(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    # given
    for slug in ("fiction", "history", "fiction-history", "fiction-history-2"):
        await a_category(staff, name=slug, slug=slug)

    # when
    verdicts = [
        [row.verdict async for row in import_rows(shop.database, stock_file(tmp_path, ["A"], "fiction/history"))]
        for _ in range(2)
    ]

    # then
    assert verdicts == [[Verdict.CREATED], [Verdict.UNCHANGED]]
    tree = {category.slug: category for category in await Category.everything()}
    book = await Book.find_one({"title": "A"})
    assert book is not None
    assert [category.slug for category in book.categories] == ["fiction-history-3"]
    assert tree["fiction-history-3"].path == [tree["fiction"].id, tree["fiction-history-3"].id]


async def test_a_category_is_found_by_its_name_and_made_as_staff_would_make_it(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    # given
    crafts = await a_category(staff, name="Arts & Crafts")
    ages = await a_category(staff, name="Young Adult", slug="ya", parent=crafts["id"])
    same = await a_category(staff, name="Straße & Łódź", slug="other")
    path = "Arts & Crafts/young adult"

    # when
    rows = [
        row
        for made, named in (("A", path), ("B", "Arts & Crafts"), ("C", "arts-and-crafts/Straße & Łódź"))
        async for row in import_rows(shop.database, stock_file(tmp_path, [made], named))
    ]

    # then
    assert [row.verdict for row in rows] == [Verdict.CREATED] * 3
    books = {book.title: book.categories[0] for book in await Book.find_all().to_list()}
    assert (books["A"].id, books["B"].id) == (ages["id"], crafts["id"])
    assert (books["C"].id != same["id"], books["C"].slug) == (True, "strasse-and-lodz")
    assert len(await Category.everything()) == 4


async def test_no_path_makes_the_tree_deeper_than_staff_may(
    shop: Resources, staff: httpx.AsyncClient, tmp_path: Path
) -> None:
    # given
    parent = None
    for level in range(1, 8):
        parent = (await a_category(staff, name=f"L{level}", parent=parent))["slug"]

    # when
    rows = [
        row
        for path in ("l7/l8", "l7/l8/l9")
        async for row in import_rows(shop.database, stock_file(tmp_path, [path], path))
    ]

    # then
    assert [(row.verdict, row.code) for row in rows] == [
        (Verdict.CREATED, None),
        (Verdict.FAILED, "category_invalid"),
    ]
    assert max(len(category.path) for category in await Category.everything()) == 8


async def test_an_import_waits_out_an_election_while_it_makes_a_category(
    shop: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    intact, failures = shop.database.run_in_transaction, [NoPrimary("There is no primary.")]

    async def fails_once(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return await intact(*args, **kwargs)

    monkeypatch.setattr(shop.database, "run_in_transaction", fails_once)

    # when
    rows = [row async for row in import_rows(shop.database, stock_file(tmp_path, ["A"], "new"))]

    # then
    assert [row.verdict for row in rows] == [Verdict.CREATED]
    assert await shelves_of(shop, "slug") == {"new": 1}


@pytest.mark.parametrize("meanwhile", ["deleted", "moved"])
async def test_a_category_is_made_below_its_parent_as_that_is_by_then(
    meanwhile: str, shop: Resources, staff: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: staff delete or move the parent after the batch has read the tree
    fiction, top = await a_category(staff, name="Fiction"), await a_category(staff, name="Top")
    intact, waiting = shop.database.run_in_transaction, [meanwhile]

    async def overtaken(*args: Any, **kwargs: Any) -> Any:
        url, headers = f"{API}/categories/{fiction['id']}", {"If-Match": "*"}
        match waiting and waiting.pop():
            case "deleted":
                assert (await staff.delete(url, headers=headers)).status_code == 204
            case "moved":
                assert (await staff.patch(url, json={"parent": top["id"]}, headers=headers)).status_code == 200
        return await intact(*args, **kwargs)

    monkeypatch.setattr(shop.database, "run_in_transaction", overtaken)

    # when
    rows = [row async for row in import_rows(shop.database, stock_file(tmp_path, ["A"], "fiction/fantasy"))]

    # then
    assert [row.verdict for row in rows] == [Verdict.CREATED]
    tree = {category.slug: category for category in await Category.everything()}
    path = [tree[slug].id for slug in (["top"] if meanwhile == "moved" else []) + ["fiction", "fantasy"]]
    assert (tree["fantasy"].path, tree["fantasy"].parent_id) == (path, path[-2])
    assert (path[-2] == fiction["id"]) == (meanwhile == "moved")
    book = await Book.find_one({"title": "A"})
    assert book is not None
    assert sorted(book.category_path) == sorted(path)
