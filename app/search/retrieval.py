"""Finds the books that a query means: tries its readings in turn, asks MongoDB for each, and ranks what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.models import book_search
from app.models.book import Query as Filters
from app.models.book_search import CANDIDATES, AnyOf, WordQuery
from app.search.ranking import Ranked, rank
from app.search.understanding import MAX_ALTERNATIVES, Group, Query, Reading, readings

_ENOUGH: Final = 5
"""With fewer books than this for a query's only word, what it may have been a mistake for is looked for too."""

_LOOSE_ALTERNATIVES: Final = 50


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found: how it was taken, the books in order, and the query that says the same to MongoDB."""

    reading: Reading
    ranked: list[Ranked]
    complete: bool
    """Whether these are all, or only the most popular of more."""
    condition: Mapping[str, Any]


async def find(
    query: Query, *, filters: Filters, fields: Mapping[str, int], at_most: int = CANDIDATES
) -> Found:
    """Return the books that the query means, as it was typed or, where that finds too little, as it may be meant."""
    typed = query.as_typed()
    found = await _ask(typed, query, filters=filters, fields=fields, at_most=at_most)
    if _answers(typed, found, query):
        return found
    found = await _ask(query.corrected(), query, filters=filters, fields=fields, at_most=at_most)
    if found.ranked:
        return found
    for reading in readings(query):
        further = await _ask(reading, query, filters=filters, fields=fields, at_most=at_most)
        if further.ranked:
            return further
    return found


def word_query(reading: Reading, *, filters: Filters) -> WordQuery:
    """Return the reading as MongoDB is to be asked: its rarest word leads."""
    deciding = reading.deciding
    if reading.loose:
        words = (word for group in deciding for word in (*group.words, *group.completions)[:_LOOSE_ALTERNATIVES])
        expected = sum(group.size for group in deciding)
        return WordQuery(AnyOf(tuple(dict.fromkeys(words))), (), filters, expected)
    driver, *others = deciding
    return WordQuery(_leading(driver), tuple(map(_tested, others)), filters, driver.size)


async def _ask(
    reading: Reading, query: Query, *, filters: Filters, fields: Mapping[str, int], at_most: int
) -> Found:
    asked = word_query(reading, filters=filters)
    documents = await book_search.most_popular(asked, fields=fields, at_most=at_most)
    complete = len(documents) < at_most
    if not complete:
        # The book with exactly this title belongs to the answer, however few know it.
        known = {document["_id"] for document in documents}
        exact = await book_search.titled(query.phrase, filters=filters, fields=fields)
        documents += [document for document in exact if document["_id"] not in known]
    ranked = rank(documents, reading=reading, phrase=query.phrase)
    return Found(reading=reading, ranked=ranked, complete=complete, condition=asked.condition())


def _answers(reading: Reading, found: Found, query: Query) -> bool:
    if len(reading.deciding) > 1:
        return bool(found.ranked)
    only = reading.deciding[0].typed
    return query.vocabulary.frequency(only) >= _ENOUGH and len(found.ranked) >= _ENOUGH


def _leading(group: Group) -> AnyOf:
    """Known words, whose scans MongoDB merges by popularity; a range only for an ending that the vocabulary lacks."""
    if group.beginnings and not group.completions:
        return AnyOf(tuple(group.words), tuple(group.beginnings))
    return AnyOf(tuple(dict.fromkeys((*group.words, *group.completions)))[: 2 * MAX_ALTERNATIVES])


def _tested(group: Group) -> AnyOf:
    return AnyOf(tuple(group.words), tuple(group.beginnings))
