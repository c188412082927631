"""Mistyped and unfinished words lead to words that are known."""

import pytest

from app.search.vocabulary import Vocabulary

WORDS = {
    "hunger": 20,
    "hunter": 30,
    "hungry": 5,
    "games": 50,
    "game": 80,
    "the": 900,
    "potter": 8,
    "harry": 9,
    "1984": 2,
}


def vocabulary() -> Vocabulary:
    return Vocabulary(dict(WORDS), books=1_000)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hungre", "hunger"),  # two letters swapped
        ("huger", "hunger"),  # one left out
        ("hungger", "hunger"),  # one doubled
        ("hunfer", "hunger"),  # a wrong one
        ("uhnger", "hunger"),  # the first two swapped
        ("unger", "hunger"),  # the first left out
        ("1948", "1984"),
    ],
)
def test_each_kind_of_mistake_is_corrected(typed: str, meant: str) -> None:
    assert meant in vocabulary().corrections(typed)


def test_common_words_are_offered_first_and_a_word_is_no_correction_of_itself() -> None:
    assert vocabulary().corrections("hunger") == ("hunter",)
    assert vocabulary().corrections("gamee") == ("game", "games")


def test_two_mistakes_are_too_many() -> None:
    assert vocabulary().corrections("hgunre") == ()


def test_words_of_other_scripts_are_corrected_too() -> None:
    words = Vocabulary({"война": 3, "мир": 2, "идиот": 1}, books=10)

    assert words.corrections("вайна") == ("война",)
    assert words.corrections("мри") == ("мир",)


def test_unfinished_words_are_completed_common_ones_first() -> None:
    assert vocabulary().expansions("hun", 2) == ("hunter", "hunger")
    assert vocabulary().expansions("x", 2) == ()


def test_a_beginning_may_be_mistyped() -> None:
    assert vocabulary().corrected_beginnings("hutn") == ("hun", "hunt")[:1]
    assert vocabulary().corrected_beginnings("poter") == ("potter",)


def test_words_run_together_are_split() -> None:
    assert vocabulary().split("harrypotter") == ("harry", "potter")
    assert vocabulary().split("harrypooter") is None


def test_rare_words_say_more() -> None:
    words = vocabulary()

    assert words.rarity("unknown") > words.rarity("1984") > words.rarity("game") > words.rarity("the") > 0


def test_words_added_later_are_known_at_once() -> None:
    words = vocabulary()
    assert words.corrections("zzyzz") == words.expansions("zz", 5) == ()

    words.add({"zzyzx": 1, "game": 7})

    assert words.corrections("zzyzz") == words.expansions("zz", 5) == ("zzyzx",)
    assert words.frequency("game") == 80
    assert len(words) == len(WORDS) + 1
