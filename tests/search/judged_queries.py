"""Draws queries as people type them, each with the titles that would be right; knows nothing of how search works."""

import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.schemas.fields import isbn10_of


@dataclass(frozen=True)
class Shelved:
    """What a judge knows of a book."""

    id: str
    title: str
    authors: tuple[str, ...]
    series: str | None
    series_position: str | None
    isbn13: str | None


@dataclass(frozen=True)
class Judged:
    """A query, and the books of which one must be among the first five."""

    query: str
    right: frozenset[str]


SHOWN: Final = 5
"""One of the right books must be among so many."""

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_COMMON: Final = frozenset({"the", "and", "for", "with", "from", "that", "this", "his", "her", "you", "your", "into"})


def draw(books: Sequence[Shelved], *, per_kind: int, seed: int) -> dict[str, list[Judged]]:
    """Return up to `per_kind` queries of every kind, from books all over the catalogue."""
    same_title: dict[str, set[str]] = defaultdict(set)
    same_series: dict[str, set[str]] = defaultdict(set)
    for book in books:
        same_title[_plain(book.title)].add(book.id)
        if book.series:
            same_series[_plain(book.series)].add(book.id)
    by_author_and_word = Counter(pair for book in books for pair in _authors_and_words(book))
    drawn: dict[str, list[Judged]] = {}
    for kind, spell in KINDS.items():
        chance = random.Random(f"{seed} {kind}")
        found: dict[str, Judged] = {}
        for book in chance.sample(books, len(books)):
            query = spell(book, chance)
            if query is None or (kind in _BY_AUTHOR and not _tells(book, query, by_author_and_word)):
                continue
            by_series = kind == "series" and book.series is not None
            right = same_series[_plain(str(book.series))] if by_series else same_title[_plain(book.title)]
            found.setdefault(query, Judged(query, frozenset(right)))
            if len(found) == per_kind:
                break
        drawn[kind] = list(found.values())
    return drawn


def _plain(text: str) -> str:
    return " ".join(_words(_bare(text).lower()))


def _bare(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text)


def _latin(text: str) -> bool:
    return bool(re.fullmatch(r"[\x20-\u024f\u2010-\u2026]+", text))


def _telling(words: Iterable[str], *, least: int) -> list[str]:
    return [word for word in words if len(word) >= least and word.isalpha() and word.lower() not in _COMMON]


def _mistyped(word: str, chance: random.Random) -> str:
    """Swap two letters, drop one, double one, or hit a wrong one."""
    while True:
        at = chance.randrange(len(word))
        made = chance.choice(
            (
                word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + chance.choice(_ALPHABET) + word[at + 1 :],
            )
        )
        if made.lower() != word.lower():
            return made


def _authors_and_words(book: Shelved) -> set[tuple[str, str]]:
    surname = _surname(book)
    return {(surname.lower(), word.lower()) for word in _words(book.title)} if surname else set()


def _tells(book: Shelved, query: str, counts: Counter[tuple[str, str]]) -> bool:
    """Tell whether at most five books answer the author and the word literally: of more, no order shows all."""
    asked = {word.lower() for word in _words(query)}
    return all(counts[pair] <= SHOWN for pair in _authors_and_words(book) if pair[1] in asked)


def _exact(book: Shelved, _: random.Random) -> str | None:
    return book.title if _words(book.title) and len(book.title) <= 200 else None


def _with_series(book: Shelved, _: random.Random) -> str | None:
    return f"{book.title} ({book.series}, #{book.series_position})" if book.series and book.series_position else None


def _any_order(book: Shelved, chance: random.Random) -> str | None:
    words = _words(book.title)
    shuffled = chance.sample(words, len(words))
    return " ".join(shuffled) if 2 <= len(words) <= 12 and shuffled != words else None


def _surname(book: Shelved) -> str | None:
    words = _words(book.authors[0]) if book.authors else []
    return words[-1] if words and len(words[-1]) >= 4 and _latin(words[-1]) and words[-1].isalpha() else None


def _author_and_word(book: Shelved, chance: random.Random) -> str | None:
    surname, words = _surname(book), _telling(_words(book.title), least=4)
    if not surname or not words:
        return None
    author = chance.choice((surname, book.authors[0]))
    word = chance.choice(words)
    return chance.choice((f"{author} {word}", f"{word} {author}"))


def _mistyped_author_and_word(book: Shelved, chance: random.Random) -> str | None:
    surname, words = _surname(book), _telling(_words(book.title), least=4)
    if not surname or not words:
        return None
    author, word = _mistyped(surname, chance), chance.choice(words)
    return chance.choice((f"{author} {word}", f"{word} {author}"))


def _accents_missing(book: Shelved, chance: random.Random) -> str | None:
    if not _latin(book.title) or len(book.title) > 200:
        return None
    if _bare(book.title) != book.title:
        return _bare(book.title)
    author = book.authors[0] if book.authors else ""
    words = _telling(_words(book.title), least=4)
    return f"{_bare(author)} {chance.choice(words)}" if _latin(author) and _bare(author) != author and words else None


def _unfinished(book: Shelved, chance: random.Random) -> str | None:
    words = _words(book.title)
    if not words or len(words) > 12 or len(words[-1]) < 4 or not words[-1].isalpha():
        return None
    kept = chance.randint(max(2, len(words[-1]) // 2), len(words[-1]) - 1)
    return " ".join([*words[:-1], words[-1][:kept]]).lower()


def _one_mistake(book: Shelved, chance: random.Random) -> str | None:
    words = _words(book.title)
    places = [at for at, word in enumerate(words) if len(word) >= 4 and word.isascii() and word.isalpha()]
    if not places or len(words) > 12:
        return None
    at = chance.choice(places)
    return " ".join([*words[:at], _mistyped(words[at], chance), *words[at + 1 :]]).lower()


def _mistakes_everywhere(book: Shelved, chance: random.Random) -> str | None:
    words = _words(book.title)
    long = [word for word in words if len(word) >= 4 and word.isascii() and word.isalpha()]
    if not 2 <= len(words) <= 8 or not long:
        return None
    return " ".join(_mistyped(word, chance) if word in long else word for word in words).lower()


def _series(book: Shelved, _: random.Random) -> str | None:
    return book.series if book.series and _words(book.series) else None


def _isbn(book: Shelved, chance: random.Random) -> str | None:
    if not book.isbn13:
        return None
    thirteen, ten = book.isbn13, isbn10_of(book.isbn13)
    spaced = " ".join((thirteen[:3], thirteen[3], thirteen[4:8], thirteen[8:]))
    spelled = [thirteen, f"ISBN {thirteen[:3]}-{thirteen[3:]}", spaced]
    if ten:
        spelled += [ten, ten.lower(), f"{ten[0]}-{ten[1:4]}-{ten[4:9]}-{ten[9]}", f"isbn-10: {ten}"]
    return chance.choice(spelled)


_BY_AUTHOR: Final = frozenset({"author + word", "author with a mistake + word"})

KINDS: Final[dict[str, Callable[[Shelved, random.Random], str | None]]] = {
    "exact title": _exact,
    "title and series": _with_series,
    "any word order": _any_order,
    "author + word": _author_and_word,
    "accents missing": _accents_missing,
    "unfinished last word": _unfinished,
    "one typing mistake": _one_mistake,
    "a mistake in each word": _mistakes_everywhere,
    "author with a mistake + word": _mistyped_author_and_word,
    "series": _series,
    "ISBN": _isbn,
}


def table(rates: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Yield the lines of a table: kind, queries, share with a right title among the first five."""
    yield f"{'kind':32} {'queries':>8} {'success':>8}"
    for kind, (right, asked) in rates.items():
        yield f"{kind:32} {asked:8} {right / asked:8.3f}"
