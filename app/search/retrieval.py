"""Finds the books that a query means: tries its readings in turn, asks MongoDB for each, and ranks what it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.models import book_search
from app.models.book import Query as Filters
from app.models.book_search import CANDIDATES, RANKED_FIELDS, SCANNED, AnyOf, WordQuery
from app.schemas.fields import parse_isbn
from app.search.ranking import Ranked, rank
from app.search.understanding import MAX_ALTERNATIVES, Group, Query, Reading, readings

_ENOUGH: Final = 5
"""With fewer books than this for a query's only word, what it may have been a mistake for is looked for too."""

_LOOSE_ALTERNATIVES: Final = 50
_ISBN_LENGTHS: Final = frozenset({10, 13})


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found: how it was taken, the books in order, and the query that says the same to MongoDB."""

    reading: Reading
    ranked: list[Ranked]
    complete: bool
    """Whether these are all, or only the most popular of more."""
    condition: Mapping[str, Any]

    @property
    def query(self) -> dict[str, Any]:
        """The query that names these books, for lists that MongoDB sorts."""
        return {"_id": {"$in": [one.id for one in self.ranked]}} if self.complete else dict(self.condition)


NOTHING: Final = Found(Reading(()), [], complete=True, condition={})


async def find(query: Query, *, filters: Filters, fields: Mapping[str, int], at_most: int = CANDIDATES) -> Found:
    """Return the books that the query means, as it was typed or, where that finds too little, as it may be meant.

    What the words mean is for the whole catalogue to say: a filter takes away from what they find, and adds nothing.
    """
    if not query.words:
        return NOTHING

    async def asked(reading: Reading) -> tuple[Found, Found]:
        found = everywhere = await ask(reading, query, filters=filters, fields=fields, at_most=at_most)
        if filters and not _answers(reading, found, query):
            everywhere = await ask(reading, query, filters={}, fields=RANKED_FIELDS, at_most=at_most)
        return found, everywhere

    typed = query.as_typed()
    found, everywhere = await asked(typed)
    if _answers(typed, everywhere, query):
        return found
    nearest: Found | None = None
    for reading in readings(query):
        found, everywhere = await asked(reading)
        if everywhere.ranked:
            return found
        nearest = nearest or found
    return nearest or found


async def ask(
    reading: Reading, query: Query, *, filters: Filters, fields: Mapping[str, int], at_most: int = CANDIDATES
) -> Found:
    """Return the books that one reading of the query gives."""
    asked = word_query(reading, filters=filters)
    documents = await book_search.most_popular(asked, fields=fields, at_most=at_most)
    complete = len(documents) < at_most and not asked.partial and asked.expected <= SCANNED
    if not complete:
        # A book with exactly this title belongs to the answer, however few know it, and so do titles that begin so.
        known = {document["_id"] for document in documents}
        begun = await book_search.titled(query.phrase, filters=filters, fields=fields)
        documents += [document for document in begun if document["_id"] not in known]
    ranked = rank(documents, reading=reading, phrase=query.phrase)
    return Found(reading=reading, ranked=ranked, complete=complete, condition=asked.condition())


def word_query(reading: Reading, *, filters: Filters) -> WordQuery:
    """Return the reading as MongoDB is to be asked: its rarest word leads."""
    deciding = reading.deciding
    if reading.loose:
        words = (word for group in deciding for word in (*group.words, *group.completions)[:_LOOSE_ALTERNATIVES])
        expected = sum(group.size for group in deciding)
        return WordQuery(AnyOf(tuple(dict.fromkeys(words))), (), filters, expected)
    driver, *others = deciding
    partial = len(driver.completions) == MAX_ALTERNATIVES
    return WordQuery(_leading(driver), tuple(map(_tested, others)), filters, driver.size, partial=partial)


def _answers(reading: Reading, found: Found, query: Query) -> bool:
    deciding = reading.deciding
    if len(deciding) > 1:
        return bool(found.ranked)
    only = deciding[0].typed
    # A few letters with which hundreds of words begin are unfinished rather than mistyped.
    known = query.vocabulary.frequency(only) >= _ENOUGH or not found.complete
    return known and len(found.ranked) >= _ENOUGH


def _leading(group: Group) -> AnyOf:
    """Known words, whose scans MongoDB merges by popularity; a range only for an ending that the vocabulary lacks."""
    if group.beginnings and not group.completions and len(group.words) == 1:
        return AnyOf(tuple(group.words), tuple(group.beginnings))
    return AnyOf(tuple(dict.fromkeys((*group.words, *group.completions)))[: 2 * MAX_ALTERNATIVES])


def _tested(group: Group) -> AnyOf:
    return AnyOf(tuple(group.words), tuple(group.beginnings))


def isbn_in(text: str) -> str | None:
    """Return the ISBN-13 that the text is, however spelled: `ISBN-10: 0-439-02348-3`, `439023483` without its zero."""
    compact = "".join(character for character in text.lower() if character.isalnum())
    number = compact.removeprefix("isbn")
    for candidate in (number, number[2:] if number[:2] in {"10", "13"} else "", number.zfill(10)):
        if len(candidate) in _ISBN_LENGTHS and candidate.isascii() and candidate[:-1].isdigit():
            found = parse_isbn(candidate)
            if found:
                return found
    return None


async def find_isbn(isbn13: str, *, filters: Filters, fields: Mapping[str, int]) -> Found:
    """Return the book with this ISBN."""
    documents = await book_search.of_isbn(isbn13, filters=filters, fields=fields)
    return replace(NOTHING, ranked=[Ranked(1.0, document["_id"], document) for document in documents])


def corrected_query(query: Query, found: Found) -> str | None:
    """Return the words that the best hit was found by, where they aren't those typed."""
    if not found.ranked or not found.reading.groups:
        return None
    names = found.ranked[0].document["search"]
    words = [*names["title"].split(), *names["authors"].split(), *names["series"].split()]
    meant = " ".join(_meant(group, words) for group in found.reading.groups)
    return meant if meant != query.phrase else None


def _meant(group: Group, words: Sequence[str]) -> str:
    best = max(words, key=group.fit, default=group.typed)
    typed_so = any(word == group.typed or (group.beginnings and word.startswith(group.typed)) for word in words)
    return group.typed if typed_so or not group.fit(best) else best
