import httpx

from app.lifespan import Resources
from tests.api.test_problems import assert_problem
from tests.factories.books import API, a_book, a_category, book_body, stock_of


async def test_a_created_book_is_read_by_id_and_by_any_spelling_of_its_isbn(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    created = await a_book(staff, isbn13="978-0-441-47812-5")

    assert created["isbn13"] == "9780441478125"
    assert created["isbn10"] == "0441478123"
    for reference in (created["id"], "9780441478125", "978-0441478125", "0441478123", "0-441-47812-3"):
        response = await client.get(f"{API}/books/{reference}")
        assert response.status_code == 200
        assert response.json() == created


async def test_a_new_book_has_an_empty_stock(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)

    stock = (await staff.get(f"{API}/inventory/{book['id']}")).json()

    assert book["availability"] == "out_of_stock"
    assert book["in_stock"] is False
    assert {name: stock[name] for name in ("on_hand", "held", "available")} == {"on_hand": 0, "held": 0, "available": 0}


async def test_availability_follows_the_stock(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    seen = []

    for copies in (100, 5, 0):
        await stock_of(staff, book["id"], copies)
        seen.append((await client.get(f"{API}/books/{book['id']}")).json()["availability"])

    assert seen == ["in_stock", "low_stock", "out_of_stock"]
    movements = (await staff.get(f"{API}/inventory/{book['id']}/movements")).json()["data"]
    assert [movement["delta"] for movement in movements] == [-5, -95, 100]


async def test_an_isbn_belongs_to_one_book(staff: httpx.AsyncClient) -> None:
    await a_book(staff, isbn13="9780441478125")

    response = await staff.post(f"{API}/books", json=book_body(isbn10="0441478123"))

    assert response.status_code == 409
    assert response.json()["code"] == "isbn_taken"
    assert (await staff.get(f"{API}/books?include=total")).json()["page"]["total"] == {"value": 1, "relation": "eq"}


async def test_a_change_needs_the_current_etag(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    path = f"{API}/books/{book['id']}"
    etag = (await client.get(path)).headers["etag"]
    price = {"price": {"amount": 999, "currency": "USD"}}

    without = await staff.patch(path, json=price)
    wrong = await staff.patch(path, json=price, headers={"If-Match": '"other"'})
    right = await staff.patch(path, json=price, headers={"If-Match": etag})
    late = await staff.patch(path, json=price, headers={"If-Match": etag})

    assert [without.status_code, wrong.status_code, right.status_code, late.status_code] == [428, 412, 200, 412]
    assert wrong.headers["etag"] == etag
    assert right.json()["price"] == {"amount": 999, "currency": "USD"}
    assert late.headers["etag"] == right.headers["etag"] == (await client.get(path)).headers["etag"]


async def test_if_match_compares_strongly_and_its_lines_are_one_list(staff: httpx.AsyncClient) -> None:
    path = f"{API}/books/{(await a_book(staff))['id']}"
    etag = (await staff.get(path)).headers["etag"]

    weak = await staff.patch(path, json={"pages": 1}, headers={"If-Match": f"W/{etag}"})
    others = await staff.patch(path, json={"pages": 1}, headers=[("If-Match", '"a"'), ("If-Match", '"b"')])
    among = await staff.patch(path, json={"pages": 1}, headers=[("If-Match", '"a"'), ("If-Match", etag)])

    assert_problem(weak, 412, "precondition_failed")
    assert_problem(others, 412, "precondition_failed")
    assert (among.status_code, among.json()["pages"]) == (200, 1)


async def test_a_client_that_has_the_current_answer_gets_304(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    book = await a_book(staff)
    path = f"{API}/books/{book['id']}"
    first = await client.get(path)

    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]


async def test_put_replaces_and_empties_what_is_left_out(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff, subtitle="A Novel", pages=304)
    path = f"{API}/books/{book['id']}"
    etag = (await staff.get(path)).headers["etag"]

    response = await staff.put(path, json=book_body(title="The Dispossessed"), headers={"If-Match": etag})

    assert response.status_code == 200
    replaced = response.json()
    assert (replaced["title"], replaced["subtitle"], replaced["pages"]) == ("The Dispossessed", None, None)
    assert (replaced["id"], replaced["created_at"]) == (book["id"], book["created_at"])


async def test_a_book_that_was_imported_without_a_language_can_be_changed(
    staff: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    book = await a_book(staff)
    await shop.database.database["books"].update_one({"_id": book["id"]}, {"$set": {"language": None}})
    path, price = f"{API}/books/{book['id']}", {"amount": 777, "currency": "USD"}

    # when
    changed = await staff.patch(path, json={"price": price}, headers={"If-Match": "*"})
    emptied = await staff.patch(path, json={"language": None}, headers={"If-Match": "*"})

    # then
    assert (changed.status_code, changed.json()["price"], changed.json()["language"]) == (200, price, None)
    assert (emptied.status_code, emptied.json()["errors"][0]["pointer"]) == (422, "/language")


async def test_taking_the_short_isbn_away_leaves_the_book_its_long_one(staff: httpx.AsyncClient) -> None:
    # given
    book = await a_book(staff, isbn13="9780441478125")
    path = f"{API}/books/{book['id']}"

    # when
    without_short = await staff.patch(path, json={"isbn10": None}, headers={"If-Match": "*"})
    without_long = await staff.patch(path, json={"isbn13": None}, headers={"If-Match": "*"})

    # then: as if it had been sent whole, the short one follows from the long one
    assert (without_short.json()["isbn13"], without_short.json()["isbn10"]) == ("9780441478125", "0441478123")
    assert (without_long.json()["isbn13"], without_long.json()["isbn10"]) == (None, None)


async def test_a_patch_is_checked_as_if_it_had_been_sent_whole(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    path = f"{API}/books/{book['id']}"
    etag = (await staff.get(path)).headers["etag"]

    response = await staff.patch(path, json={"title": None, "colour": "red"}, headers={"If-Match": etag})

    assert response.status_code == 422
    assert {error["pointer"] for error in response.json()["errors"]} == {"/title", "/colour"}
    assert (await staff.get(path)).headers["etag"] == etag


async def test_an_archived_book_is_gone_and_listed_nowhere(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    book = await a_book(staff, isbn13="9780441478125")
    path = f"{API}/books/{book['id']}"
    etag = (await staff.get(path)).headers["etag"]

    archived = await staff.delete(path, headers={"If-Match": etag})

    assert archived.status_code == 204
    assert (await client.get(path)).json()["code"] == "gone"
    assert (await client.get(f"{API}/books/9780441478125")).status_code == 410
    assert (await client.get(f"{API}/books")).json()["data"] == []
    batch = (await client.post(f"{API}/books/batch-get", json={"ids": [book["id"]]})).json()
    assert batch == {"data": [], "missing": [book["id"]]}


async def test_pages_hold_every_book_once_while_books_are_added(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    years = [None, 1999, 1999, 2005, None, 1987, 2005]
    ids = {(await a_book(staff, title=f"Book {n}", published_year=year))["id"] for n, year in enumerate(years)}

    for sort in ("-published_year", "published_year", "title", "-created_at", "-rating,published_year"):
        seen: list[str] = []
        url: str | None = f"{API}/books?limit=2&sort={sort}"
        while url:
            response = await client.get(url)
            assert response.status_code == 200
            seen += [book["id"] for book in response.json()["data"]]
            url = response.links["next"]["url"] if "next" in response.links else None
            extra = await a_book(staff, title="0", published_year=3 if sort == "published_year" else 2099)
            etag = (await staff.get(f"{API}/books/{extra['id']}")).headers["etag"]
            await staff.delete(f"{API}/books/{extra['id']}", headers={"If-Match": etag})
        assert len(seen) == len(years)
        assert set(seen) == ids


async def test_a_cursor_belongs_to_its_list(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    for number in range(3):
        await a_book(staff, title=f"Book {number}")
    cursor = (await client.get(f"{API}/books?limit=1&sort=title")).json()["page"]["next_cursor"]

    same = await client.get(f"{API}/books?limit=2&sort=title&cursor={cursor}")
    others = [
        await client.get(f"{API}/books?limit=1&sort=-title&cursor={cursor}"),
        await client.get(f"{API}/books?limit=1&sort=title&in_stock=true&cursor={cursor}"),
        await client.get(f"{API}/new-releases?limit=1&cursor={cursor}"),
        await client.get(f"{API}/books?limit=1&sort=title&cursor={cursor[:-2]}AA"),
        await client.get(f"{API}/books?sort=title&cursor=%00"),
    ]

    assert same.status_code == 200
    assert [response.status_code for response in others] == [400] * 5
    assert {response.json()["code"] for response in others} == {"cursor_invalid"}


async def test_filters_mean_or_within_and_and_between(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    fiction = await a_category(staff, name="Fiction")
    fantasy = await a_category(staff, name="Fantasy", parent=fiction["slug"])
    cheap = await a_book(
        staff, title="Cheap", authors=["Ana Núñez"], categories=["fantasy"], price={"amount": 500, "currency": "USD"}
    )
    dear = await a_book(
        staff, title="Dear", authors=["Bo Li"], categories=[fiction["id"]], price={"amount": 5000, "currency": "USD"}
    )
    other = await a_book(staff, title="Other", authors=["Ana Nunez"], language="es")

    async def titles(query: str) -> list[str]:
        response = await client.get(f"{API}/books?sort=title&{query}")
        assert response.status_code == 200, response.text
        return [book["title"] for book in response.json()["data"]]

    assert await titles("category=fiction") == ["Cheap", "Dear"]
    assert await titles(f"category={fantasy['id']}") == ["Cheap"]
    assert await titles("author=ana%20nunez") == ["Cheap", "Other"]
    assert await titles("author=Bo%20Li&author=Ana%20N%C3%BA%C3%B1ez&language=en") == ["Cheap", "Dear"]
    assert await titles("price_min=501&price_max=5000") == ["Dear", "Other"]
    assert await titles("in_stock=true") == []
    assert cheap["categories"] == [{"id": fantasy["id"], "slug": "fantasy", "name": "Fantasy"}]
    assert (dear["in_stock"], other["language"]) == (False, "es")
    assert (await client.get(f"{API}/books?category=unknown")).status_code == 422
    assert (await client.get(f"{API}/books?sort=colour")).status_code == 422


async def test_a_language_is_the_same_however_its_tag_is_capitalised(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    # given
    made = [await a_book(staff, language=tag) for tag in ("pt-br", "pt-BR", "zh-hant-TW")]

    # when
    found = (await client.get(f"{API}/books?language=pt-Br")).json()["data"]

    # then
    assert [book["language"] for book in made] == ["pt-BR", "pt-BR", "zh-Hant-TW"]
    assert {book["id"] for book in found} == {book["id"] for book in made[:2]}


async def test_names_without_a_letter_are_names_too(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    # given
    book = await a_book(staff, title="Odd", authors=["!!!"], publisher="\N{BLACK HEART SUIT}", series={"name": "…"})
    in_series = await a_book(staff, title="Odder", series={"name": "…"})
    await a_book(staff, title="Other", authors=["???"])

    # when
    found = [
        (await client.get(f"{API}/books", params=query)).json()["data"]
        for query in ({"author": "!!!"}, {"publisher": "\N{BLACK HEART SUIT}"}, {"author": "…"})
    ]
    related = (await client.get(f"{API}/books/{book['id']}/related")).json()["data"]

    # then
    assert [[one["id"] for one in books] for books in found] == [[book["id"]], [book["id"]], []]
    assert [one["id"] for one in related] == [in_series["id"]]


async def test_related_books_come_series_first(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    series = {"name": "Hainish Cycle"}
    book = await a_book(staff, series=series)
    by_author = await a_book(staff, title="Lavinia")
    in_series = await a_book(staff, title="Rocannon's World", series=series)
    await a_book(staff, title="Dune", authors=["Frank Herbert"])

    response = await client.get(f"{API}/books/{book['id']}/related")

    assert [one["id"] for one in response.json()["data"]] == [in_series["id"], by_author["id"]]
    for limit, status in ((0, 422), (1, 200), (100, 200), (101, 422)):
        assert (await client.get(f"{API}/books/{book['id']}/related?limit={limit}")).status_code == status


async def test_lists_without_further_pages_say_so(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    book = await a_book(staff, title="Dune", categories=[(await a_category(staff, name="Deserts"))["id"]])

    for path in (f"/books/{book['id']}/related", "/books/suggest?q=dune", "/categories"):
        body = (await client.get(f"{API}{path}")).json()
        assert set(body) == {"data", "page"}, path
        assert body["page"] == {"next_cursor": None, "has_more": False}, path
