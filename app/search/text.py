"""Turns text into the words that search compares: folded, without marks, however they were spelled."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.models.book import SearchFields

MAX_TERMS: Final = 400
"""A book is found by so many different words at most; names come before prose."""

MAX_TOKEN: Final = 40
"""Longer words are cut: nobody types them to the end."""

STOP_WORDS: Final = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "his", "her", "in", "is", "it", "its",
    "my", "not", "of", "on", "or", "our", "that", "the", "this", "to", "was", "we", "who", "with", "you", "your",
    "de", "del", "der", "des", "die", "das", "du", "el", "et", "la", "las", "le", "les", "los", "un", "una", "und",
    "une", "van", "von", "y",
))  # fmt: skip
"""Words too common to decide anything: they order results, they never exclude one, unless there are no others."""

_APOSTROPHES: Final = "\u2019\u2018\u02bc\u02bb\u02b9\u2032\u0060\u00b4\uff07"
_INVISIBLE: Final = "\u00ad\u034f\u200b\u200c\u200d" + "".join(map(chr, range(0xFE00, 0xFE10)))
_MARKS: Final = "".join(
    mark
    for mark in map(chr, range(0x0300, 0x10000))
    if unicodedata.category(mark).startswith("M") and mark not in _INVISIBLE
)
"""Belong to the letter before them: accents, and vowels in Indic scripts and Thai, none of which `\\w` matches."""

_LETTERS: Final = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", "ħ": "h",
        "ŋ": "n", "ŧ": "t", "ə": "e", "&": " and ",
        **dict.fromkeys(_APOSTROPHES, "'"),
        **dict.fromkeys(_INVISIBLE, ""),
    }
)  # fmt: skip
_RUN: Final = rf"[^\W_]+(?:[{_MARKS}][^\W_]*)*"
_LETTERS_ONLY: Final = rf"[^\W\d_]+(?:[{_MARKS}][^\W\d_]*)*"
_WORD: Final = re.compile(rf"{_RUN}(?:'{_RUN})*")
_SHOWN_WORD: Final = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}]|[',{_APOSTROPHES}{_INVISIBLE}](?=[^\W_]))*")
_INITIALS: Final = re.compile(
    rf"(?<![^\W_])(?<![{_MARKS}'])[^\W\d_](?:(?:\.\s{{0,3}}|\s{{1,3}})[^\W\d_](?![^\W_])(?![{_MARKS}']))+"
)
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_COMPOUND: Final = re.compile(rf"(?<![\w'{_MARKS}-])({_LETTERS_ONLY})-({_LETTERS_ONLY})(?![\w'{_MARKS}-])")
_ELIDED: Final = re.compile(r"(?<![^\W_])[^\W\d_]{1,2}'([^\W\d_]{3,})")
_POSSESSIVE: Final = re.compile(r"([^\W\d_]{2,})'s(?![^\W_])")


@dataclass(frozen=True, slots=True)
class Span:
    """A word of a text: its normal form, and where it stands in the text."""

    token: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return the text in one case, without accents, ligatures or typographic apostrophes.

    Compatibility decomposition and case folding as in the Unicode Standard, section 3.13; letters that Unicode doesn't
    decompose (ø, ł, ß …) by a table.
    """
    if text.isascii():
        folded = text.lower()
        return folded.replace("`", "'").replace("&", " and ") if "`" in folded or "&" in folded else folded
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return bare.casefold().translate(_LETTERS)


def tokenise(text: str) -> list[str]:
    """Return the words of the text in order, in normal form: `J. K. Rowling's Café` is `jk rowlings cafe`."""
    return _words(fold(text))


def normalise(text: str) -> str:
    """Return the text's words in normal form, with single spaces."""
    return " ".join(_words(fold(text)))


def name_key(name: str) -> str:
    """Return the key by which authors, publishers and series are told apart: the normal form, of those with words."""
    return normalise(name) or name.strip()


def spans(text: str) -> Iterator[Span]:
    """Yield the words of the text with their places; initials such as `J. K.` are one word."""
    at = 0
    pieces = [(found.start(), found.end()) for found in _INITIALS.finditer(text)]
    for start, end in [*pieces, (len(text), len(text))]:
        for word in _SHOWN_WORD.finditer(text, at, start):
            for token in tokenise(word.group())[:1]:
                yield Span(token, word.start(), word.end())
        for token in tokenise(text[start:end])[:1]:
            yield Span(token, start, end)
        at = end


def index_fields(
    *,
    title: str,
    subtitle: str | None,
    authors: Sequence[str],
    series_name: str | None,
    publisher: str | None,
    description: str | None,
    isbn13: str | None,
    isbn10: str | None,
    series_position: str | None = None,
) -> SearchFields:
    """Return what search keeps of a book: its words once each, and its names in normal form.

    Names (title, subtitle, series, authors) are found under their spelling variants too: `Spider-Man` also as
    `spiderman`, `O'Brien` as `obrien` and `brien`, `Ocean's` as `oceans` and `ocean`, `J.R.R.` as `jrr`, `j` and `r`.
    The number in the series is part of the name: people ask for `harry potter 2`.
    """
    terms: dict[str, None] = {}
    series = f"{series_name} {series_position or ''}" if series_name else ""
    for name in (title, series, *authors, subtitle or ""):
        folded = fold(name)
        terms.update(dict.fromkeys(_words(folded)))
        terms.update(dict.fromkeys(_variants(folded)))
    named = min(len(terms), MAX_TERMS - 2)
    kept = list(terms)[:named]
    kept += [number.lower() for number in (isbn13, isbn10) if number and number.lower() not in terms]
    if description:
        prose = dict.fromkeys(token for token in tokenise(description) if token not in STOP_WORDS and len(token) > 1)
        known = set(kept)
        kept += [token for token in prose if token not in known][: MAX_TERMS - len(kept)]
    return SearchFields(
        terms=kept,
        named=named,
        title=normalise(title),
        authors=normalise(" , ".join(authors)),
        series=normalise(series),
        author_keys=list(dict.fromkeys(map(name_key, authors))),
        publisher_key=name_key(publisher) if publisher else None,
        series_key=name_key(series_name) if series_name else None,
    )


def _words(folded: str) -> list[str]:
    if "," in folded:
        folded = _THOUSANDS.sub("", folded)
    joined = _INITIALS.sub(_without_separators, folded)
    return [word.replace("'", "")[:MAX_TOKEN] for word in _WORD.findall(joined)]


def _without_separators(initials: re.Match[str]) -> str:
    return "".join(character for character in initials.group() if character.isalnum())


def _variants(folded: str) -> Iterable[str]:
    for left, right in _COMPOUND.findall(folded):
        yield (left + right)[:MAX_TOKEN]
    if "'" in folded:
        for match in (*_ELIDED.finditer(folded), *_POSSESSIVE.finditer(folded)):
            yield match.group(1)[:MAX_TOKEN]
    for initials in _INITIALS.findall(folded):
        yield from (character for character in initials if character.isalnum())
