"""The words in memory keep up with the database, and cost nothing once they have."""

import secrets
from datetime import datetime, timedelta

import httpx
import pytest

from app import clock
from app.lifespan import Resources
from app.models.search_term import SearchTerm
from app.search.vocabulary_feed import FRESH_SECONDS, VocabularyFeed
from tests.factories.books import API, a_book


class Hand:
    """Turns the clock on."""

    def __init__(self) -> None:
        self._by = timedelta(0)
        self._now, self._monotonic = clock.now, clock.monotonic

    def turn(self, seconds: float) -> None:
        self._by += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._now() + self._by

    def monotonic(self) -> float:
        return self._monotonic() + self._by.total_seconds()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(clock, "now", hand.now)
    monkeypatch.setattr(clock, "monotonic", hand.monotonic)
    return hand


async def test_words_of_an_import_are_not_read_again_for_ever(
    fresh_vocabulary: VocabularyFeed, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[set[str]] = []
    intact = SearchTerm.added_since

    async def added_since(moment: datetime) -> list[tuple[str, int, datetime]]:
        found = await intact(moment)
        read.append({word for word, _, _ in found})
        return found

    monkeypatch.setattr(SearchTerm, "added_since", added_since)
    word = f"w{secrets.token_hex(8)}"
    await fresh_vocabulary.current()
    await SearchTerm.get_pymongo_collection().insert_one({"_id": word, "df": 1, "added_at": clock.now()})

    for _ in range(30):
        hand.turn(1)
        known = word in await fresh_vocabulary.current()

    assert known
    seen = [word in words for words in read]
    assert seen[0]  # for some seconds: its transaction may have taken long
    assert not any(seen[20:])


async def test_a_word_is_known_as_soon_as_it_is_committed(fresh_vocabulary: VocabularyFeed) -> None:
    # given: a process that has just looked
    await fresh_vocabulary.current()
    words = [f"w{secrets.token_hex(8)}" for _ in range(5)]

    for word in words:
        # when
        await SearchTerm.get_pymongo_collection().insert_one({"_id": word, "df": 1, "added_at": clock.now()})

        # then
        assert word in await fresh_vocabulary.current()


async def test_a_book_is_found_at_once_by_a_beginning_that_known_words_have_too(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, shop: Resources
) -> None:
    # given: a process that knows one word with this beginning, and has just looked
    stem = f"zar{secrets.token_hex(4)}"
    await a_book(staff, title=f"Tales of {stem}a")
    shop.vocabulary._checked = -FRESH_SECONDS
    assert f"{stem}a" in await shop.vocabulary.current()

    # when
    book = await a_book(staff, title=f"Tales of {stem}b")

    # then
    searched = (await client.get(f"{API}/books/search?q={stem}")).json()
    assert book["id"] in {one["id"] for one in searched["data"]}
    assert book["title"] in str((await client.get(f"{API}/books/suggest?q={stem}")).json())
