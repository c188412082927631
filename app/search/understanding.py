"""Works out what a query may mean: first what it says, then what it may have meant, then the parts that are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from app.search.text import STOP_WORDS, tokenise
from app.search.vocabulary import Vocabulary

MAX_WORDS: Final = 12
"""Further words of a query aren't looked at."""

EXACT: Final = 1.0
_BEGUN: Final = 0.9
_CORRECTED: Final = 0.75
_BEGUN_CORRECTED: Final = 0.6

MAX_ALTERNATIVES: Final = 80
"""So many words at most may stand for one typed word: MongoDB merges that many sorted scans well."""

_ANCHORS: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """A word as typed, and all that may stand for it."""

    typed: str
    words: Mapping[str, float]
    """Whole words, with how well each fits, up to 1."""
    beginnings: Mapping[str, float]
    """What an unfinished word may begin with."""
    completions: tuple[str, ...]
    """Known words that begin so, the common ones first."""
    weight: float
    """How much it says: its inverse document frequency."""
    size: int
    """How many books it is expected to find."""
    decides: bool
    """Whether a book without it is none of the answer's."""

    def fit(self, word: str) -> float:
        """Return how well the word fits: 1 as typed, less where corrected or completed, 0 not at all."""
        best = self.words.get(word, 0.0)
        for beginning, quality in self.beginnings.items():
            if quality > best and word.startswith(beginning):
                best = quality
        return best


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to take the query."""

    groups: tuple[Group, ...]
    loose: bool = False
    """Whether a book may lack some of the deciding words."""

    @property
    def deciding(self) -> list[Group]:
        """The groups that decide, the rarest first."""
        return sorted((group for group in self.groups if group.decides), key=lambda group: group.size)


@dataclass(frozen=True, slots=True)
class Query:
    """A query's words, and the ways to take them, to be tried in turn until one finds something."""

    words: tuple[str, ...]
    vocabulary: Vocabulary = field(repr=False)

    @property
    def phrase(self) -> str:
        """The words with single spaces: a book's normal title, where somebody typed all of it."""
        return " ".join(self.words)

    def as_typed(self) -> Reading:
        """Take every word as typed, and the last one as possibly unfinished."""
        return self._reading(self.words, corrected=False)

    def corrected(self) -> Reading:
        """Let every word have one typing mistake."""
        return self._reading(self.words, corrected=True)

    def respaced(self) -> Reading | None:
        """Take unknown words as two run together, or neighbours as one torn apart; None where that gives no words."""
        words: list[str] = []
        for word in self.words:
            halves = None if word in self.vocabulary else self.vocabulary.split(word)
            if halves:
                words.extend(halves)
            elif words and words[-1] + word in self.vocabulary:
                words[-1] += word
            else:
                words.append(word)
        return None if tuple(words) == self.words else self._reading(words[:MAX_WORDS], corrected=True)

    def loosened(self) -> Reading | None:
        """Ask for any of the rarest known words; None where no word is known."""
        groups = self.corrected().groups
        known = sorted((group for group in groups if group.size and group.decides), key=lambda group: group.size)
        if not known:
            return None
        anchors = {group.typed for group in known[:_ANCHORS]}
        return Reading(tuple(_as_anchor(group, decides=group.typed in anchors) for group in groups), loose=True)

    def _reading(self, words: Sequence[str], *, corrected: bool) -> Reading:
        weak = [_is_weak(word, last=at == len(words) - 1) for at, word in enumerate(words)]
        return Reading(
            tuple(
                self._group(word, last=at == len(words) - 1, decides=not weak[at] or all(weak), corrected=corrected)
                for at, word in enumerate(words)
            )
        )

    def _group(self, word: str, *, last: bool, decides: bool, corrected: bool) -> Group:
        vocabulary = self.vocabulary
        words = {word: EXACT}
        if corrected and len(word) > 1 and (decides or word not in vocabulary):
            words |= {near: _CORRECTED for near in vocabulary.corrections(word)[:MAX_ALTERNATIVES] if near != word}
        beginnings: dict[str, float] = {}
        completions: tuple[str, ...] = ()
        if last:
            beginnings[word] = _BEGUN
            completions = vocabulary.expansions(word, MAX_ALTERNATIVES)
            if corrected and not completions and len(words) == 1:
                beginnings |= dict.fromkeys(vocabulary.corrected_beginnings(word), _BEGUN_CORRECTED)
                completions = tuple(
                    completion
                    for beginning in beginnings
                    for completion in vocabulary.expansions(beginning, MAX_ALTERNATIVES)
                )[:MAX_ALTERNATIVES]
        frequencies = {one: vocabulary.frequency(one) for one in (*words, *completions)}
        likely = word if frequencies[word] else max(frequencies, key=frequencies.__getitem__)
        return Group(
            typed=word,
            words=words,
            beginnings=beginnings,
            completions=completions,
            weight=vocabulary.rarity(likely),
            size=sum(frequencies.values()),
            decides=decides,
        )


def understand(text: str, vocabulary: Vocabulary) -> Query:
    """Return what the text asks for; without a single word where it has none."""
    return Query(tuple(tokenise(text)[:MAX_WORDS]), vocabulary)


def readings(query: Query) -> Iterator[Reading]:
    """Yield the ways to take the query that go beyond its words as typed, the nearest first."""
    yield query.corrected()
    for reading in (query.respaced(), query.loosened()):
        if reading is not None:
            yield reading


def _is_weak(word: str, *, last: bool) -> bool:
    return word in STOP_WORDS or (len(word) == 1 and word.isascii() and word.isalpha() and not last)


def _as_anchor(group: Group, *, decides: bool) -> Group:
    # Nobody knows what an unknown word says; at its full weight it would outvote every known one.
    return replace(group, decides=decides, weight=group.weight if group.size else group.weight / 2)
