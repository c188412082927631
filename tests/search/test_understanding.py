"""A query is taken as typed, then as it may have been meant, then by the words that are known."""

from app.search.understanding import MAX_WORDS, understand
from app.search.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    {"the": 500, "hunger": 8, "games": 20, "gamesters": 1, "harry": 30, "potter": 25, "it": 90, "who": 40}, books=1_000
)


def decided_by(text: str) -> list[str]:
    return [group.typed for group in understand(text, VOCABULARY).as_typed().deciding]


def test_stop_words_and_lone_letters_never_decide_beside_others() -> None:
    assert decided_by("the hunger games") == ["hunger", "games"]
    assert decided_by("j potter") == ["potter"]


def test_stop_words_decide_where_there_are_no_others() -> None:
    assert sorted(decided_by("who the it")) == ["it", "the", "who"]


def test_the_rarest_word_leads() -> None:
    assert decided_by("harry games hunger") == ["hunger", "games", "harry"]


def test_only_the_last_word_may_be_unfinished() -> None:
    first, last = understand("hunger gam", VOCABULARY).as_typed().groups

    assert (first.fit("hunger"), first.fit("hungers")) == (1.0, 0.0)
    assert last.completions == ("games", "gamesters")
    assert 0 < last.fit("gamesters") < last.fit("gam") == 1.0


def test_corrections_fit_less_than_what_was_typed() -> None:
    typed, corrected = (
        understand("hungre games", VOCABULARY).as_typed().groups[0],
        understand("hungre games", VOCABULARY).corrected().groups[0],
    )

    assert typed.fit("hunger") == 0.0
    assert 0 < corrected.fit("hunger") < corrected.fit("hungre") == 1.0


def test_words_run_together_or_torn_apart_are_read_both_ways() -> None:
    together = understand("harrypotter games", VOCABULARY).respaced()
    apart = understand("hun ger games", VOCABULARY).respaced()

    assert together is not None
    assert [group.typed for group in together.groups] == ["harry", "potter", "games"]
    assert apart is not None
    assert [group.typed for group in apart.groups] == ["hunger", "games"]
    assert understand("harry potter", VOCABULARY).respaced() is None


def test_unknown_words_are_given_up_last() -> None:
    loose = understand("xqzwv hunger", VOCABULARY).loosened()

    assert loose is not None
    assert [group.typed for group in loose.deciding] == ["hunger"]
    assert understand("xqzwv", VOCABULARY).loosened() is None


def test_only_so_many_words_are_looked_at() -> None:
    assert len(understand("word " * 40, VOCABULARY).words) == MAX_WORDS
