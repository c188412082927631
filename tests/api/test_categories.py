import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import httpx

from app import clock
from app.lifespan import Resources
from app.models.book import ARCHIVED
from app.models.category import Category
from app.services.shelving import relabel_books
from tests.factories.books import API, a_book, a_category


async def _etag(client: httpx.AsyncClient, reference: str) -> str:
    return (await client.get(f"{API}/categories/{reference}")).headers["etag"]


async def _patch(staff: httpx.AsyncClient, reference: str, **patch: Any) -> httpx.Response:
    headers = {"If-Match": await _etag(staff, reference)}
    return await staff.patch(f"{API}/categories/{reference}", json=patch, headers=headers)


async def _titles(client: httpx.AsyncClient, category: str) -> list[str]:
    response = await client.get(f"{API}/categories/{category}/books?sort=title")
    assert response.status_code == 200, response.text
    return [book["title"] for book in response.json()["data"]]


async def test_the_tree_shows_categories_by_name_with_all_books_below_them(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    fiction = await a_category(staff, name="Fiction")
    await a_category(staff, name="art")
    await a_category(staff, name="Westerns", parent=fiction["id"])
    fantasy = await a_category(staff, name="Fantasy", parent="fiction")
    await a_category(staff, name="Epic Fantasy", parent="fantasy")
    await a_book(staff, title="Both", categories=["epic-fantasy", "fiction"])
    await a_book(staff, title="One", categories=["fantasy"])

    tree = (await client.get(f"{API}/categories")).json()["data"]

    assert [(root["slug"], root["book_count"], root["parent_id"]) for root in tree] == [
        ("art", 0, None),
        ("fiction", 2, None),
    ]
    assert [(one["slug"], one["book_count"]) for one in tree[1]["children"]] == [("fantasy", 2), ("westerns", 0)]
    assert [one["slug"] for one in tree[1]["children"][0]["children"]] == ["epic-fantasy"]
    for reference in (fantasy["id"], "fantasy"):
        assert (await client.get(f"{API}/categories/{reference}")).json() == tree[1]["children"][0]


async def test_an_archived_book_is_counted_no_more(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    book = await a_book(staff, categories=["fiction"])
    path = f"{API}/books/{book['id']}"

    await staff.delete(path, headers={"If-Match": (await staff.get(path)).headers["etag"]})

    assert (await client.get(f"{API}/categories/fiction")).json()["book_count"] == 0
    assert await _titles(client, "fiction") == []


async def test_the_books_of_a_category_are_counted_without_a_look_at_any(
    shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    category = await a_category(staff, name="Fiction")
    books = [await a_book(staff, categories=["fiction"]) for _ in range(3)]
    path = f"{API}/books/{books[0]['id']}"
    await staff.delete(path, headers={"If-Match": (await staff.get(path)).headers["etag"]})

    # when: what the driver sends for a count; and the archived ones
    counting = [{"$match": {"category_path": category["id"]}}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]
    commands = [{"aggregate": "books", "pipeline": counting, "cursor": {}}, {"find": "books", "filter": dict(ARCHIVED)}]
    explain = partial(shop.database.database.command, "explain", verbosity="executionStats")
    counted, archived = [await explain(command) for command in commands]

    # then
    counted = counted["stages"][0]["$cursor"]
    assert [one["executionStats"]["totalDocsExamined"] for one in (counted, archived)] == [0, 1]


async def test_what_a_write_answers_is_what_a_read_answers(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    await a_category(staff, name="Fantasy", parent="fiction")
    await a_book(staff, categories=["fantasy"])

    response = await _patch(staff, "fiction", description="What never happened.")
    read = await staff.get(f"{API}/categories/fiction")

    assert response.status_code == 200
    assert response.content == read.content
    assert response.headers["etag"] == read.headers["etag"]


async def test_a_new_name_shows_in_books(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    category = await a_category(staff, name="SF")
    book = await a_book(staff, categories=["sf"])

    response = await _patch(staff, "sf", name="Science Fiction", slug="science-fiction")

    assert response.status_code == 200
    renamed = {"id": category["id"], "slug": "science-fiction", "name": "Science Fiction"}
    assert (await client.get(f"{API}/books/{book['id']}")).json()["categories"] == [renamed]
    assert (await client.get(f"{API}/categories/sf")).status_code == 404
    assert await _titles(client, "science-fiction") == [book["title"]]


async def test_what_a_dead_process_left_undone_is_finished(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, shop: Resources
) -> None:
    # given: a category that was renamed and moved, whose books haven't heard of it
    await a_category(staff, name="Fiction")
    category = await a_category(staff, name="SF")
    book = await a_book(staff, categories=["sf"])
    assert (await _patch(staff, "sf", name="Science Fiction", parent="fiction")).status_code == 200
    database = shop.database.database
    old = {"categories.0.name": "SF", "category_path": [category["id"]]}
    await database["books"].update_one({"_id": book["id"]}, {"$set": old})

    # when
    changed = [await relabel_books(shop.database), await relabel_books(shop.database)]
    soon = await Category.left_unfinished()
    long_ago = clock.now() - timedelta(minutes=1)
    await database["categories"].update_many({}, {"$set": {"updated_at": long_ago}})
    await relabel_books(shop.database)

    # then
    assert changed == [1, 0]
    assert await _titles(client, "fiction") == [book["title"]]
    assert [one.id for one in soon] == [category["id"]]
    assert await Category.left_unfinished() == []


async def test_a_moved_category_takes_its_books_along(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    await a_category(staff, name="Children")
    await a_category(staff, name="Fantasy", parent="fiction")
    await a_category(staff, name="Dragons", parent="fantasy")
    await a_book(staff, title="Low", categories=["dragons"])
    await a_book(staff, title="Two shelves", categories=["dragons", "fiction"])

    response = await _patch(staff, "fantasy", parent="children")

    assert response.status_code == 200
    assert await _titles(client, "children") == ["Low", "Two shelves"]
    assert await _titles(client, "fiction") == ["Two shelves"]
    assert await _titles(client, "dragons") == ["Low", "Two shelves"]
    tree = (await client.get(f"{API}/categories")).json()["data"]
    assert [(one["slug"], one["book_count"]) for one in tree] == [("children", 2), ("fiction", 1)]

    response = await _patch(staff, "fantasy", parent=None)

    assert response.json()["parent_id"] is None
    assert await _titles(client, "children") == []
    assert await _titles(client, "fantasy") == ["Low", "Two shelves"]


async def test_put_replaces_and_moves_to_the_root_where_no_parent_is_given(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    below = await a_category(staff, name="Fantasy", parent="fiction", description="Dragons.")
    headers = {"If-Match": await _etag(staff, "fantasy")}

    response = await staff.put(f"{API}/categories/fantasy", json={"name": "High Fantasy"}, headers=headers)

    assert response.status_code == 200
    replaced = response.json()
    assert (replaced["id"], replaced["name"], replaced["slug"]) == (below["id"], "High Fantasy", "high-fantasy")
    assert (replaced["parent_id"], replaced["description"]) == (None, None)


async def test_a_category_in_use_stays(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    await a_category(staff, name="Fantasy", parent="fiction")
    await a_category(staff, name="Poetry")
    await a_book(staff, categories=["poetry"])

    for reference in ("fiction", "poetry"):
        headers = {"If-Match": await _etag(staff, reference)}
        response = await staff.delete(f"{API}/categories/{reference}", headers=headers)
        assert (response.status_code, response.json()["code"]) == (409, "category_in_use")

    assert len((await staff.get(f"{API}/categories")).json()["data"]) == 2


async def test_an_empty_category_goes(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    etag = await _etag(staff, "fiction")

    responses = [
        await staff.delete(f"{API}/categories/fiction"),
        await staff.delete(f"{API}/categories/fiction", headers={"If-Match": '"other"'}),
        await staff.delete(f"{API}/categories/fiction", headers={"If-Match": etag}),
        await staff.delete(f"{API}/categories/fiction", headers={"If-Match": etag}),
    ]

    assert [response.status_code for response in responses] == [428, 412, 204, 404]
    assert responses[1].headers["etag"] == etag
    assert responses[2].content == b""
    assert (await staff.get(f"{API}/categories")).json()["data"] == []


async def test_a_slug_belongs_to_one_category(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    await a_category(staff, name="Fantasy")

    created = await staff.post(f"{API}/categories", json={"name": "FICTION!"})
    changed = await _patch(staff, "fantasy", slug="fiction")

    assert [(one.status_code, one.json()["code"]) for one in (created, changed)] == [(409, "conflict")] * 2
    assert [one["slug"] for one in (await staff.get(f"{API}/categories")).json()["data"]] == ["fantasy", "fiction"]


async def test_a_name_in_other_letters_needs_a_slug(staff: httpx.AsyncClient) -> None:
    without = await staff.post(f"{API}/categories", json={"name": "科幻"})
    accented = await staff.post(f"{API}/categories", json={"name": "Littérature française"})
    given = await staff.post(f"{API}/categories", json={"name": "科幻", "slug": "kehuan"})

    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "/slug")
    assert accented.json()["slug"] == "litterature-francaise"
    assert given.json()["slug"] == "kehuan"


async def test_nothing_hangs_below_itself(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="A")
    await a_category(staff, name="B", parent="a")
    await a_category(staff, name="C", parent="b")

    for parent in ("a", "c"):
        response = await _patch(staff, "a", parent=parent)
        assert response.status_code == 422
        assert response.json()["errors"] == [
            {"pointer": "/parent", "code": "cycle", "detail": "A category can't hang below itself."}
        ]
    assert (await _patch(staff, "a", parent="unknown")).json()["errors"][0]["code"] == "unknown_category"


async def test_the_tree_is_eight_levels_deep(staff: httpx.AsyncClient) -> None:
    parent = None
    for level in range(1, 9):
        await a_category(staff, name=f"L{level}", parent=parent)
        parent = f"l{level}"

    created = await staff.post(f"{API}/categories", json={"name": "L9", "parent": "l8"})
    await a_category(staff, name="Top")
    await a_category(staff, name="Under", parent="top")
    moved_leaf = await _patch(staff, "under", parent="l7")
    await _patch(staff, "under", parent="top")
    moved_tree = await _patch(staff, "top", parent="l7")

    assert [created.status_code, moved_leaf.status_code, moved_tree.status_code] == [422, 200, 422]
    assert {one.json()["errors"][0]["code"] for one in (created, moved_tree)} == {"too_deep"}


async def test_two_moves_at_once_make_no_cycle(staff: httpx.AsyncClient) -> None:
    for attempt in range(5):
        one, two = f"one-{attempt}", f"two-{attempt}"
        await a_category(staff, name=one)
        await a_category(staff, name=two)

        answers = await asyncio.gather(_patch(staff, one, parent=two), _patch(staff, two, parent=one))

        # The second either saw the first's move or another ETag.
        assert sorted(answer.status_code for answer in answers) in ([200, 412], [200, 422])
        tree = (await staff.get(f"{API}/categories")).json()["data"]
        assert len(tree) == attempt + 1


async def test_a_parent_that_goes_away_takes_no_child_along(staff: httpx.AsyncClient) -> None:
    for attempt in range(5):
        await a_category(staff, name=f"parent-{attempt}")
        headers = {"If-Match": await _etag(staff, f"parent-{attempt}")}

        created, deleted = await asyncio.gather(
            staff.post(f"{API}/categories", json={"name": f"child-{attempt}", "parent": f"parent-{attempt}"}),
            staff.delete(f"{API}/categories/parent-{attempt}", headers=headers),
        )

        assert (created.status_code, deleted.status_code) in ((201, 409), (201, 412), (422, 204))
        found = (await staff.get(f"{API}/categories/child-{attempt}")).status_code
        assert found == (200 if created.status_code == 201 else 404)


async def test_of_two_changes_with_one_etag_one_wins(staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Fiction")
    headers = {"If-Match": await _etag(staff, "fiction")}

    answers = await asyncio.gather(
        *(
            staff.patch(f"{API}/categories/fiction", json={"description": text}, headers=headers)
            for text in ("one", "two")
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]
