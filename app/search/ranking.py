"""Orders the books that a reading found: the words that match and where, how much of the title they are, popularity."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import mul
from typing import Any, Final

from app.search.text import STOP_WORDS
from app.search.understanding import Reading

IN_TITLE: Final = 1.0
IN_AUTHORS: Final = 0.95
IN_SERIES: Final = 0.9
ELSEWHERE: Final = 0.4

_COVERAGE: Final = 0.25
_WHOLE_TITLE: Final = 0.45
_BEGUN_TITLE: Final = 0.15
_WHOLE_SERIES: Final = 0.3
_PHRASE: Final = 0.1
_POPULARITY: Final = 0.35
_STOP_WORD: Final = 0.15
_LEAST_SHARE: Final = 0.45
_MOST_POPULAR: Final = math.log(10_000_000)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A book that was found, and how well it answers; a higher score stands earlier, then the younger id."""

    score: float
    id: str
    document: Mapping[str, Any]


def rank(documents: Iterable[Mapping[str, Any]], *, reading: Reading, phrase: str) -> list[Ranked]:
    """Return the documents, best first.

    The score is the share of the query's weight (inverse document frequencies) that the book's names match, each by
    how well the word fits and where it stands; plus the share of the title that was asked for, the title or the series
    asked for as a whole, the title's beginning, or a piece of it; plus the logarithm of popularity. Where words may be
    lacking, a book that matches less than half of the query's weight is left out.
    """
    score = _Scorer(reading, phrase)
    ranked = [
        Ranked(round(found, 6), document["_id"], document)
        for document in documents
        if (found := score(document)) is not None
    ]
    ranked.sort(key=lambda one: (one.score, one.id), reverse=True)
    return ranked


class _Fits(dict[str, tuple[tuple[int, float], ...]]):
    """For each word met: which groups it fits, and how well. Books share most of their words."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self._groups = tuple(enumerate(reading.groups))

    def __missing__(self, word: str) -> tuple[tuple[int, float], ...]:
        found = self[word] = tuple((at, fit) for at, group in self._groups if (fit := group.fit(word)))
        return found


class _Scorer:
    def __init__(self, reading: Reading, phrase: str) -> None:
        self._groups = reading.groups
        self._weights = [group.weight for group in reading.groups]
        self._total = sum(self._weights) or 1.0
        self._phrase = phrase
        self._padded = f" {phrase} "
        self._fits = _Fits(reading)
        self._least = _LEAST_SHARE if reading.loose else 0.0
        self._unmatched = [ELSEWHERE if group.decides and not reading.loose else 0.0 for group in reading.groups]

    def __call__(self, document: Mapping[str, Any]) -> float | None:
        names = document["search"]
        matched = [0.0] * len(self._groups)
        covered = self._match(names, matched)
        if 0.0 in matched:
            self._look_elsewhere(matched, names["title"])
        share: float = sum(map(mul, self._weights, matched)) / self._total
        if share < self._least:
            return None
        popularity = math.log1p(document["popularity"]) / _MOST_POPULAR
        return share + _COVERAGE * covered + self._as_a_whole(names) + _POPULARITY * popularity

    def _match(self, names: Mapping[str, Any], matched: list[float]) -> float:
        """Note the best match of each group, and return the share of the title that was asked for."""
        fits = self._fits
        asked = of_title = 0.0
        for word in names["title"].split():
            weight = _STOP_WORD if word in STOP_WORDS else 1.0
            of_title += weight
            best = 0.0
            for at, fit in fits[word]:
                matched[at] = max(matched[at], fit * IN_TITLE)
                best = max(best, fit)
            asked += weight * best
        for place, name in ((IN_AUTHORS, names["authors"]), (IN_SERIES, names["series"])):
            for word in name.split():
                for at, fit in fits[word]:
                    matched[at] = max(matched[at], fit * place)
        return asked / (of_title or 1.0)

    def _as_a_whole(self, names: Mapping[str, Any]) -> float:
        title: str = names["title"]
        score = _WHOLE_SERIES if names["series_key"] == self._phrase else 0.0
        if title == self._phrase:
            return score + _WHOLE_TITLE
        if title.startswith(self._phrase):
            return score + _BEGUN_TITLE
        return score + _PHRASE if self._padded in f" {title} " else score

    def _look_elsewhere(self, matched: list[float], title: str) -> None:
        joined = title.replace(" ", "")
        for at, part in enumerate(matched):
            if not part:
                typed = self._groups[at].typed
                run_together = len(typed) > 3 and typed in joined  # noqa: PLR2004  # `spiderman` for `Spider-Man`
                matched[at] = IN_SERIES if run_together else self._unmatched[at]
