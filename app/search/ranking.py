"""Orders the books that a reading found: the words that match and where, how much of the title they are, popularity."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.search.text import STOP_WORDS
from app.search.understanding import Reading

IN_TITLE: Final = 1.0
IN_AUTHORS: Final = 0.95
IN_SERIES: Final = 0.9
ELSEWHERE: Final = 0.4

_COVERAGE: Final = 0.25
_WHOLE_TITLE: Final = 0.35
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


class _Scorer:
    def __init__(self, reading: Reading, phrase: str) -> None:
        self._groups = reading.groups
        self._total = sum(group.weight for group in reading.groups) or 1.0
        self._phrase = phrase
        self._padded = f" {phrase} "
        self._fits: dict[str, list[tuple[int, float]]] = {}
        self._least = _LEAST_SHARE if reading.loose else 0.0
        self._unmatched = [ELSEWHERE if group.decides and not reading.loose else 0.0 for group in reading.groups]

    def __call__(self, document: Mapping[str, Any]) -> float | None:
        names = document["search"]
        title: str = names["title"]
        matched = [0.0] * len(self._groups)
        asked = of_title = 0.0
        for word in title.split():
            weight = _STOP_WORD if word in STOP_WORDS else 1.0
            of_title += weight
            asked += weight * self._match(word, IN_TITLE, matched)
        for word in names["authors"].split():
            self._match(word, IN_AUTHORS, matched)
        for word in names["series"].split():
            self._match(word, IN_SERIES, matched)
        if 0.0 in matched:
            self._look_elsewhere(matched, title)
        score = sum(group.weight * part for group, part in zip(self._groups, matched, strict=True)) / self._total
        if score < self._least:
            return None
        score += _COVERAGE * asked / (of_title or 1.0)
        if title == self._phrase:
            score += _WHOLE_TITLE + _PHRASE
        elif title.startswith(self._phrase):
            score += _BEGUN_TITLE
        elif self._padded in f" {title} ":
            score += _PHRASE
        if names["series_key"] == self._phrase:
            score += _WHOLE_SERIES
        return score + _POPULARITY * math.log(1 + document["popularity"]) / _MOST_POPULAR

    def _match(self, word: str, place: float, matched: list[float]) -> float:
        fits = self._fits.get(word)
        if fits is None:
            found = ((at, group.fit(word)) for at, group in enumerate(self._groups))
            fits = self._fits[word] = [(at, fit) for at, fit in found if fit]
        best = 0.0
        for at, fit in fits:
            matched[at] = max(matched[at], fit * place)
            best = max(best, fit)
        return best

    def _look_elsewhere(self, matched: list[float], title: str) -> None:
        joined = title.replace(" ", "")
        for at, part in enumerate(matched):
            if not part:
                typed = self._groups[at].typed
                run_together = len(typed) > 3 and typed in joined  # noqa: PLR2004  # `spiderman` for `Spider-Man`
                matched[at] = IN_SERIES if run_together else self._unmatched[at]
