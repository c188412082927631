"""Search over HTTP finds books by what people type."""

from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from app.models.search_term import SearchTerm
from app.search.vocabulary_feed import VocabularyFeed
from tests.factories.books import API, a_book, a_category
from tests.search.learning import learned


async def found(client: httpx.AsyncClient, q: str, **params: str | int) -> dict[str, Any]:
    response = await client.get(f"{API}/books/search", params={"q": q, **params})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def titles(client: httpx.AsyncClient, q: str, **params: str | int) -> list[str]:
    return [hit["title"] for hit in (await found(client, q, **params))["data"]]


async def test_an_acknowledged_book_is_found_at_once_by_its_words(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    await fresh_vocabulary.current()

    await a_book(
        staff,
        title="Zarquon's Überlegung",
        subtitle="Quintessential Musings",
        authors=["Åsa Zyx"],
        series={"name": "Flobble", "position": "3"},
        description="About wibbling.",
        isbn13="9780306406157",
    )

    for q in (
        "zarquons", "Zarquon", "uberlegung zarquons", "quintessential", "zyx uberl", "Flobble 3", "wibbling", "wibbl",
        "978-0-306-40615-7", "ISBN 0306406152",
    ):  # fmt: skip
        assert await titles(client, q) == ["Zarquon's Überlegung"], q


async def test_a_mistyped_word_is_corrected_and_said_so(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    await a_book(staff, title="The Lighthouse Keeper")
    await learned(fresh_vocabulary, "lighthouse")

    mistyped = await found(client, "Lighthosue keper")
    typed = await found(client, "lighthouse kee")

    assert mistyped["corrected_query"] == "lighthouse keeper"
    assert typed["corrected_query"] is None
    assert mistyped["data"] == typed["data"]
    [hit] = typed["data"]
    assert hit["highlight"] == {
        "title": "The <em>Lighthouse</em> <em>Keeper</em>",
        "subtitle": None,
        "authors": None,
        "series": None,
    }


async def test_a_filter_takes_away_and_never_makes_words_mean_something_else(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    # given: books that the same words would mean, if none had them as typed
    for title in ("The Lighthouse Keeper", "Light House", "The Lighthouses", "Keeping House"):
        await a_book(staff, title=title, language="de")
    for number in range(5):
        await a_book(staff, title=f"Lighthouse {number}", language="en")
    await learned(fresh_vocabulary, "lighthouse")

    # when
    typed = [one["title"] for one in (await found(client, "lighthouse"))["data"]]
    two_words = await titles(client, "lighthouse keeper")
    filtered = await found(client, "lighthouse keeper", language="en", facets="language")

    # then
    assert two_words == ["The Lighthouse Keeper"]
    assert filtered["data"] == []
    assert filtered["corrected_query"] is None
    assert filtered["facets"]["language"] == [{"value": "de", "label": None, "count": 1}]
    for language in ("de", "en", "fr"):
        narrowed = await titles(client, "lighthouse", language=language)
        assert set(narrowed) <= set(typed), language
        mistyped = await titles(client, "lighthosue keper", language=language)
        assert mistyped == (["The Lighthouse Keeper"] if language == "de" else []), language


async def test_words_that_no_book_has_find_nothing(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    await a_book(staff, title="The Lighthouse Keeper")

    nothing = {"value": 0, "relation": "eq"}
    for q in ("xqzwv", "!!!", "9780441478125"):
        assert await found(client, q) == {
            "data": [],
            "page": {"next_cursor": None, "has_more": False, "total": nothing},
            "corrected_query": None,
            "facets": None,
        }


async def test_highlights_are_safe_html(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    await a_book(staff, title="<script>alert('Pirates & Co')</script>", authors=["A <b> Pirates"])

    [hit] = (await found(client, "pirates"))["data"]

    assert hit["highlight"] == {
        "title": "&lt;script&gt;alert(&#x27;<em>Pirates</em> &amp; Co&#x27;)&lt;/script&gt;",
        "subtitle": None,
        "authors": ["A &lt;b&gt; <em>Pirates</em>"],
        "series": None,
    }


async def test_archived_books_are_not_found(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    book = await a_book(staff, title="The Lighthouse Keeper", isbn13="9780306406157")
    response = await staff.delete(f"{API}/books/{book['id']}", headers={"If-Match": "*"})
    assert response.status_code == 204

    assert await titles(client, "lighthouse") == []
    assert await titles(client, "9780306406157") == []


async def test_facets_count_what_was_found_and_a_filter_leaves_its_own_facet_whole(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    sea = await a_category(staff, name="Sea")
    storms = await a_category(staff, name="Storms", parent=sea["id"])
    usd = {"currency": "USD"}
    await a_book(staff, title="Whale One", authors=["Ann"], categories=[sea["slug"]], price=usd | {"amount": 450})
    await a_book(
        staff, title="Whale Two", authors=["Ann", "Bo"], categories=[storms["slug"]], price=usd | {"amount": 1500}
    )
    await a_book(staff, title="Whale Drei", authors=["Bo"], language="de", format="ebook", price=usd | {"amount": 9900})
    await a_book(staff, title="No Fish", authors=["Bo"])

    every = "category,author,language,format,price,rating"
    whole = await found(client, "whale", facets=every)
    german = await found(client, "whale", facets="language,author", language="de")

    assert whole["facets"] == {
        "relation": "eq",
        "category": [
            {"value": "sea", "label": "Sea", "count": 2},
            {"value": "storms", "label": "Storms", "count": 1},
        ],
        "author": [{"value": "Ann", "label": None, "count": 2}, {"value": "Bo", "label": None, "count": 2}],
        "language": [{"value": "en", "label": None, "count": 2}, {"value": "de", "label": None, "count": 1}],
        "format": [{"value": "paperback", "label": None, "count": 2}, {"value": "ebook", "label": None, "count": 1}],
        "price": [
            {"min": 0, "max": 499, "count": 1},
            {"min": 1500, "max": 1999, "count": 1},
            {"min": 5000, "max": None, "count": 1},
        ],
        "rating": [],
    }
    assert [hit["title"] for hit in german["data"]] == ["Whale Drei"]
    assert german["facets"] == dict.fromkeys(("category", "format", "price", "rating")) | {
        "relation": "eq",
        "language": [{"value": "en", "label": None, "count": 2}, {"value": "de", "label": None, "count": 1}],
        "author": [{"value": "Bo", "label": None, "count": 1}],
    }


@pytest.mark.parametrize("sort", ["relevance", "-price", "title,-price", "popularity"])
async def test_pages_hold_every_book_once_in_every_order(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed, sort: str
) -> None:
    expected = {f"Whale {number}" for number in range(7)}
    for number, title in enumerate(sorted(expected)):
        await a_book(staff, title=title, price={"amount": 100 * (number % 3), "currency": "USD"})

    seen: list[str] = []
    page: dict[str, str | int] = {"limit": 3, "sort": sort}
    for size in (3, 3, 1):
        body = await found(client, "whale", **page)
        seen += [hit["title"] for hit in body["data"]]
        assert len(body["data"]) == size
        assert body["page"]["total"] == {"value": 7, "relation": "eq"}
        page["cursor"] = body["page"]["next_cursor"]

    assert page["cursor"] is None
    assert sorted(seen) == sorted(expected)


async def test_pages_hold_every_book_once_while_what_the_words_weigh_changes(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    # given
    expected = {f"Gala Apple {number}" for number in range(7)}
    for title in sorted(expected):
        await a_book(staff, title=title)
    await SearchTerm.recount()
    await learned(fresh_vocabulary, "gala")

    # when: after the first page a book comes that makes one of the words a known, and a rare one
    seen: list[str] = []
    page: dict[str, str | int] = {"limit": 3}
    for number in range(3):
        body = await found(client, "gal app", **page)
        seen += [hit["title"] for hit in body["data"]]
        page["cursor"] = body["page"]["next_cursor"]
        await a_book(staff, title="Gal", authors=[f"New {number}"])
        await learned(fresh_vocabulary, "gal")

    # then
    assert page["cursor"] is None
    assert sorted(seen) == sorted(expected)


async def test_a_cursor_belongs_to_its_query(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    for number in range(2):
        await a_book(staff, title=f"Whale {number}")
    body = await found(client, "whale", limit=1)
    cursor = body["page"]["next_cursor"]

    response = await client.get(f"{API}/books/search", params={"q": "whales", "limit": 1, "cursor": cursor})

    assert response.status_code == 400
    assert response.json()["code"] == "cursor_invalid"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": ""},
        {"q": "   "},
        {"q": "x" * 201},
        {"q": "x" * 10_000},
        {"q": "a\x00b"},
        {"q": "a\nb"},
        {"q": "x", "facets": "title"},
        {"q": "x", "facets": "category,"},
        {"q": "x", "sort": "relevance,price"},
        {"q": "x", "sort": "-relevance"},
        {"q": "x", "unknown": "1"},
        {"q": "x", "q[$ne]": "1"},
        {"q": "x", "price_min": "-1"},
        {"q": "x", "limit": "0"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(client: httpx.AsyncClient, params: dict[str, str]) -> None:
    response = await client.get(f"{API}/books/search", params=params)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "validation_error"


@pytest.mark.parametrize(
    "q", ["(a+)+$", ".*", "[", "$where", '{"$gt": ""}', "^" * 200, "a" * 200, "\ufffd", "'; drop", "%", "\\", "{}" * 50]
)
async def test_nothing_in_a_query_is_code(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed, q: str
) -> None:
    await a_book(staff, title="Whale")

    assert await titles(client, q) == []
    assert (await client.get(f"{API}/books/suggest", params={"q": q})).json()["data"] == []


async def test_suggestions_complete_titles_authors_and_series(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    book = await a_book(staff, title="Shōgun's Shadow", authors=["James Clavel"], series={"name": "Asian Saga"})
    await learned(fresh_vocabulary, "clavel")
    title = {"type": "title", "text": "Shōgun's Shadow", "book_id": book["id"]}
    author = {"type": "author", "text": "James Clavel", "book_id": None}
    series = {"type": "series", "text": "Asian Saga", "book_id": None}

    for q, expected in (
        ("shogu", [title]), ("james cl", [author]), ("jmaes cla", [author]),
        ("asian s", [series]),
        ("calve", [author]), ("shoguns shdow", [title]), ("zz", []),
    ):  # fmt: skip
        response = await client.get(f"{API}/books/suggest", params={"q": q})
        assert response.json()["data"] == expected, q


async def test_the_count_of_words_follows_the_catalogue(
    shop: Resources, staff: httpx.AsyncClient, fresh_vocabulary: VocabularyFeed
) -> None:
    await a_book(staff, title="Whale One")
    await a_book(staff, title="Whale Two", description="krill")
    await learned(fresh_vocabulary, "whale")
    assert (await fresh_vocabulary.current()).frequency("whale") == 1

    assert await SearchTerm.recount() == 2
    assert await SearchTerm.recount() == 2

    again = VocabularyFeed()
    vocabulary = await again.current()
    assert {word: vocabulary.frequency(word) for word in ("whale", "one", "two", "le", "krill")} == {
        "whale": 2, "one": 1, "two": 1, "le": 2, "krill": 0,
    }  # fmt: skip
    assert vocabulary.books == 2
