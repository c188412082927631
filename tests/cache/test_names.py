"""Every address that shows a book has a name that the book's writers touch; and no two questions share an answer."""

import asyncio

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import clock
from app.cache.tags import SUGGEST, name_of, of_availability, of_book
from app.errors import NotFound
from app.schemas.book import BookView
from app.schemas.fields import isbn10_of
from app.services.browsing import reference_query
from tests.factories.books import API, a_book, a_category
from tests.unit.test_isbn import ISBNS

_LONG_ENOUGH = 60.0
_ISBN13, _ISBN10 = "9780141439518", "0141439513"
_NOTHING = ("subtitle", "description", "publisher", "published_year", "series", "pages", "cover")
_BOOK = {
    "id": "bk_1", "title": "Emma", "authors": ["Austen"], "categories": [], "language": "en", "format": "paperback",
    "price": {"amount": 1, "currency": "USD"}, "availability": "in_stock", "rating": {}, "created_at": clock.now(),
    "updated_at": clock.now(), **dict.fromkeys(_NOTHING),
}  # fmt: skip
_BETWEEN = ["", "-", " ", "\t", "\n", "\u00a0", "\u2010", "\u2012", "\u2013", "\u3000", "\u00af", ".", "_", "%2D"]
_ZEROS = ["0", "\uff10", "\U0001d7ce", "\u0660"]


async def _once_kept(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask until the answer is one that Redis keeps; a refusal never is."""
    async with asyncio.timeout(_LONG_ENOUGH):
        while (answer := await client.get(path)).status_code == 200:
            if answer.headers["cache-status"] == "bookstore; hit":
                break
            await asyncio.sleep(0.05)
    return answer


@st.composite
def _spellings(draw: st.DrawFn, isbns: st.SearchStrategy[str]) -> tuple[str, str]:
    """An ISBN-13, and something that might mean it."""
    isbn13 = draw(isbns)
    isbn10 = isbn10_of(isbn13) or isbn13
    plain = draw(st.sampled_from([isbn13, isbn10, isbn10.lower(), isbn10.removeprefix("0"), f"0{isbn10}"]))
    zero, between = draw(st.sampled_from(_ZEROS)), draw(st.sampled_from(_BETWEEN))
    digits = [chr(ord(zero) + int(one)) if one.isdecimal() and draw(st.booleans()) else one for one in plain]
    parts = [part for one in digits for part in (between if draw(st.booleans()) else "", one)]
    return isbn13, "".join([*parts, between if draw(st.booleans()) else ""])


@given(_spellings(ISBNS))
@example((_ISBN13, "1-41439513"))
@example((_ISBN13, "141439513"))
@example((_ISBN13, "978\u20100141439518"))
@example(("9780804429573", "0-8044-2957-x"))
def test_what_finds_a_book_is_a_name_that_its_changes_touch(spelled: tuple[str, str]) -> None:
    isbn13, spelling = spelled
    book = BookView.model_validate(_BOOK | {"isbn13": isbn13, "isbn10": isbn10_of(isbn13)})

    try:
        found = reference_query(spelling)
    except NotFound:
        return

    assert found == {"isbn13": isbn13}
    assert name_of(spelling) in of_book(None, book) & of_availability(book)


@pytest.mark.parametrize("changed", [{"description": "A quokka."}, {"isbn13": _ISBN13}, {"isbn10": _ISBN10}])
def test_suggestions_change_with_all_that_they_are_found_by(changed: dict[str, str]) -> None:
    before = BookView.model_validate(_BOOK | {"isbn13": None, "isbn10": None})

    assert SUGGEST in of_book(before, before.model_copy(update=changed))


@pytest.mark.parametrize(
    ("spelling", "status"),
    [
        (_ISBN13, 200),
        (_ISBN10, 200),
        ("978-0-14-143951-8", 200),
        ("%39780141439518", 200),
        ("%20978 0141439518%20", 200),
        ("9780141439518-", 200),
        ("1-41439513", 404),
        ("141439513", 404),
        ("978%E2%80%900141439518", 404),
        ("978%C2%A00141439518", 404),
        ("9780141439518%09", 404),
        ("%EF%BC%99780141439518", 404),
    ],
)
async def test_no_spelling_shows_a_book_as_it_was(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, spelling: str, status: int
) -> None:
    # given: a book that is kept as it is, if it can be had under this spelling
    path = f"{API}/books/{spelling}"
    book = await a_book(staff, isbn13=_ISBN13)
    seen = await _once_kept(client, path)

    # when
    etag = (await staff.get(f"{API}/books/{book['id']}")).headers["etag"]
    price = {"amount": 101, "currency": "USD"}
    changed = await staff.patch(f"{API}/books/{book['id']}", json={"price": price}, headers={"If-Match": etag})

    # then
    assert changed.status_code == 200
    after = await client.get(path)
    assert (seen.status_code, after.status_code) == (status, status)
    assert status == 404 or after.json()["price"] == price


async def test_the_order_of_a_repeated_parameter_is_part_of_the_question(
    client: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    # given: of a repeated parameter the last counts
    for _ in range(3):
        await a_book(staff)

    # when
    three = await _once_kept(client, f"{API}/books?limit=1&limit=3")
    one = await _once_kept(client, f"{API}/books?limit=3&limit=1")

    # then
    assert [len(answer.json()["data"]) for answer in (three, one)] == [3, 1]


async def test_a_question_mark_in_a_path_begins_no_query(client: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    await a_category(staff, name="Novels")
    novels = await _once_kept(client, f"{API}/categories/novels?x=1")

    other = await client.get(f"{API}/categories/novels%3Fx=1")

    assert (novels.status_code, other.status_code) == (200, 404)
