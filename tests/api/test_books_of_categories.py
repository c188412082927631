"""Books say of their categories what those say, however many there are and whatever happens meanwhile."""

import httpx
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import new_id
from app.lifespan import Resources
from app.models.book import Book
from app.models.category import Category
from app.services.shelving import relabel_books
from tests.factories.books import API, a_book, a_category


async def test_a_book_made_while_its_category_is_deleted_is_taken_out_of_it(
    staff: httpx.AsyncClient, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a category that is deleted between the look of the book's transaction at it and the book
    fiction = await a_category(staff, name="Fiction")
    await a_category(staff, name="Fantasy", parent="fiction")
    await a_category(staff, name="Kept")
    add = Book.add

    async def deleted_first(book: Book, session: AsyncClientSession) -> None:
        if (await staff.get(f"{API}/categories/fantasy")).status_code == 200:
            gone = await staff.delete(f"{API}/categories/fantasy", headers={"If-Match": "*"})
            assert gone.status_code == 204
        await add(book, session)

    monkeypatch.setattr(Book, "add", deleted_first)
    book = await a_book(staff, categories=["fantasy", "kept"])

    # when
    changed = [await relabel_books(shop.database), await relabel_books(shop.database)]

    # then
    now = await Book.of_id(book["id"])
    assert now is not None
    assert changed == [1, 0]
    assert [category.slug for category in now.categories] == ["kept"]
    assert fiction["id"] not in now.category_path
    assert now.category_path == [now.categories[0].id]


async def test_many_books_follow_their_category_before_the_answer(staff: httpx.AsyncClient, shop: Resources) -> None:
    # given: more books than can follow one by one within a request
    for name in ("Fiction", "Fantasy", "Dragons"):
        await a_category(staff, name=name)
    book = await a_book(staff, categories=["dragons", "fiction"])
    original = await shop.database.database["books"].find_one({"_id": book["id"]})
    assert original is not None
    copies = [original | {"_id": new_id("bk")} for _ in range(3_500)]
    await shop.database.database["books"].insert_many(copies)

    # when
    moved = await staff.patch(
        f"{API}/categories/dragons", json={"parent": "fantasy", "name": "Big Dragons"}, headers={"If-Match": "*"}
    )

    # then
    assert moved.status_code == 200
    tree = {category.slug: category for category in await Category.everything()}
    names = await shop.database.database["books"].distinct("categories.name")
    paths = await shop.database.database["books"].aggregate([{"$group": {"_id": "$category_path"}}])
    assert names == ["Big Dragons", "Fiction"]
    assert [row["_id"] async for row in paths] == [sorted(one.id for one in tree.values())]
    assert tree["fantasy"].id in tree["dragons"].path
