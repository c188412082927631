"""The words in memory keep up with the database, and cost nothing once they have."""

import secrets
from datetime import datetime, timedelta

import pytest

from app import clock
from app.models.search_term import SearchTerm
from app.search.vocabulary_feed import VocabularyFeed


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
