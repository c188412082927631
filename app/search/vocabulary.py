"""Knows the words that name books: how common each is, what a mistyped one may have meant, how an unfinished one ends.

Corrections follow Damerau (1964): four in five mistakes are one letter wrong, missing, too many, or two swapped. They
are found as Norvig does it (norvig.com/spell-correct.html): make every string at distance one, keep the known ones;
some hundred look-ups, and no index of deletions to hold in memory.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import nlargest
from itertools import islice
from typing import Final

_LATIN: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_LAST: Final = "\U0010ffff"
_REMEMBERED: Final = 2_000


class Vocabulary:
    """A snapshot of the words and their document frequencies. Not changed, except by `add`."""

    def __init__(self, frequencies: dict[str, int], *, books: int, in_order: list[str] | None = None) -> None:
        """Take the words with the number of books each names, of `books` in all; `in_order` saves sorting them."""
        self._frequencies = frequencies
        self._sorted = sorted(frequencies) if in_order is None else in_order
        self.books = max(books, 1)
        self.expansions = lru_cache(_REMEMBERED)(self._expansions)
        self.corrections = lru_cache(_REMEMBERED)(self._corrections)

    def __len__(self) -> int:
        return len(self._frequencies)

    def __contains__(self, word: str) -> bool:
        return word in self._frequencies

    def add(self, words: Mapping[str, int]) -> None:
        """Take in words that were added since."""
        fresh = {word: df for word, df in words.items() if word not in self._frequencies}
        if fresh:
            self._frequencies.update(fresh)
            self._sorted = sorted([*self._sorted, *fresh])
            self.expansions.cache_clear()
            self.corrections.cache_clear()

    def frequency(self, word: str) -> int:
        """Return how many books the word names; 0 where it isn't known."""
        return self._frequencies.get(word, 0)

    def rarity(self, word: str) -> float:
        """Return the word's inverse document frequency, as in BM25: ln(1 + (N - df + 0.5) / (df + 0.5)).

        Robertson & Spärck Jones (1976), in Lucene's form, which is never negative.
        """
        df = min(self._frequencies.get(word, 0), self.books)
        return math.log(1 + (self.books - df + 0.5) / (df + 0.5))

    def begins_any(self, prefix: str) -> bool:
        """Tell whether a word begins so."""
        at = bisect_left(self._sorted, prefix)
        return at < len(self._sorted) and self._sorted[at].startswith(prefix)

    def corrected_beginnings(self, prefix: str) -> tuple[str, ...]:
        """Return the strings one mistake away with which words begin: for a word unfinished and mistyped at once.

        A string that another one begins with is left out: what begins with the shorter begins with it anyway.
        """
        found = sorted({edit for edit in self._edits(prefix) if len(edit) > 2 and self.begins_any(edit)})  # noqa: PLR2004
        kept: list[str] = []
        for edit in found:
            if edit != prefix and not (kept and edit.startswith(kept[-1])):
                kept.append(edit)
        return tuple(kept)

    def split(self, word: str) -> tuple[str, str] | None:
        """Return the two known words that were typed as one, those that are most common together."""
        halves = [
            (word[:at], word[at:])
            for at in range(2, len(word) - 1)
            if word[:at] in self._frequencies and word[at:] in self._frequencies
        ]
        if not halves:
            return None
        return max(halves, key=lambda half: min(self._frequencies[half[0]], self._frequencies[half[1]]))

    def _expansions(self, prefix: str, at_most: int) -> tuple[str, ...]:
        """Return the words that begin so, the common ones first; of too many, the most common."""
        low, high = bisect_left(self._sorted, prefix), bisect_left(self._sorted, prefix + _LAST)
        return tuple(nlargest(at_most, islice(self._sorted, low, high), key=self._frequencies.__getitem__))

    def _corrections(self, word: str) -> tuple[str, ...]:
        """Return the other words one mistake away, the common ones first."""
        near = {edit for edit in self._edits(word) if edit in self._frequencies and edit != word}
        return tuple(sorted(near, key=lambda edit: (-self._frequencies[edit], edit)))

    def _edits(self, word: str) -> Iterable[str]:
        letters = self._letters(word)
        halves = [(word[:at], word[at:]) for at in range(len(word) + 1)]
        for left, right in halves:
            if right:
                yield left + right[1:]
                for letter in letters:
                    yield left + letter + right[1:]
            if len(right) > 1:
                yield left + right[1] + right[0] + right[2:]
            for letter in letters:
                yield left + letter + right

    def _letters(self, word: str) -> str:
        if word.isascii():
            if word.isdigit():
                return _DIGITS
            return _LATIN if word.isalpha() else _LATIN + _DIGITS
        # Other scripts: the letters of the words around it, as every script sorts together.
        at = bisect_left(self._sorted, word)
        near = "".join(self._sorted[max(at - 100, 0) : at + 100])
        return "".join({*word, *(letter for letter in near if not letter.isascii())})
