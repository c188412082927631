"""The words in memory keep up with the database, and cost nothing once they have."""

import secrets
from datetime import datetime, timedelta

import httpx
import pytest

from app import clock
from app.models.search_term import SearchTerm
from app.search.vocabulary_feed import VocabularyFeed
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


async def test_a_book_is_found_at_once_by_a_beginning_that_other_words_have_too(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    stem = f"zar{secrets.token_hex(4)}"
    found = []
    for ending in ("a", "b", "c"):
        book = await a_book(staff, title=f"Tales of {stem}{ending}")
        searched = (await client.get(f"{API}/books/search?q={stem}")).json()
        suggested = (await client.get(f"{API}/books/suggest?q={stem}")).json()
        found.append((book["id"] in {one["id"] for one in searched["data"]}, book["title"] in str(suggested)))

    assert found == [(True, True)] * 3
