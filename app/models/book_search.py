"""Asks the books for words: the queries behind search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pymongo

from app.models.book import LIVE, Book, Query

CANDIDATES: Final = 1_000
"""Ranked and counted exactly up to here; of more, the most popular."""

SCANNED: Final = 5_000
"""So many books of the driver are looked at, the most popular ones."""

_TITLES_SCANNED: Final = 600
_TITLES: Final = 50
_SECONDS: Final = 4.0
_LAST: Final = "\U0010ffff"
_BY_TERM: Final = [("search.terms", 1), ("popularity", -1), ("_id", -1)]
_BY_POPULARITY: Final = {"popularity": -1, "_id": -1}

RANKED_FIELDS: Final[Mapping[str, int]] = {
    "search.title": 1, "search.authors": 1, "search.series": 1, "search.series_key": 1, "popularity": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Asks for a book with one of these words, or with a word that begins in one of these ways."""

    words: tuple[str, ...]
    beginnings: tuple[str, ...] = ()

    def condition(self) -> dict[str, Any]:
        """Return the query."""
        words = [one for one in self.words if not one.startswith(self.beginnings)] if self.beginnings else self.words
        asked: list[dict[str, Any]] = [
            {"search.terms": {"$elemMatch": {"$gte": beginning, "$lt": beginning + _LAST}}}
            for beginning in self.beginnings
        ]
        if words:
            asked.append({"search.terms": {"$in": list(words)}})
        return asked[0] if len(asked) == 1 else {"$or": asked}


@dataclass(frozen=True, slots=True)
class WordQuery:
    """Asks for books by words: `driver` is looked up in the index, the books that it gives are tested for `others`."""

    driver: AnyOf
    others: tuple[AnyOf, ...]
    filters: Query
    expected: int
    """How many books the driver is expected to give."""
    partial: bool = False
    """Whether the driver names only the most common of the words that would do."""

    def condition(self) -> dict[str, Any]:
        """Return the whole as one query, for lists that MongoDB sorts."""
        return {"$and": [part.condition() for part in (self.driver, *self.others)] + [dict(self.filters)]}


async def most_popular(
    query: WordQuery, *, fields: Mapping[str, int], at_most: int = CANDIDATES
) -> list[dict[str, Any]]:
    """Return the most popular live books that have the words, up to `at_most`, with the fields asked for.

    Bounded whatever the words: the index gives the driver's books in the order of popularity (a merge of one sorted
    scan per word), and no more than 5,000 of them are looked at. `$limit` keeps MongoDB from choosing another driver.
    """
    by_range = bool(query.driver.beginnings)
    order: list[dict[str, Any]] = [{"$sort": _BY_POPULARITY}, {"$limit": SCANNED}]
    pipeline: list[dict[str, Any]] = [
        {"$match": {**query.driver.condition(), **LIVE, **query.filters}},
        # A range has no such order; its books are sorted after the limit then, so that nothing is ever sorted whole.
        *(reversed(order) if by_range else order),
        *([{"$match": {"$and": [other.condition() for other in query.others]}}] if query.others else []),
        {"$limit": at_most},
        {"$project": dict(fields)},
    ]
    options: dict[str, Any] = {"batchSize": at_most + 1}
    if not query.filters or query.expected <= SCANNED:
        # Otherwise, with a very common word and a filter together, MongoDB may know a better index.
        options["hint"] = dict(_BY_TERM)
    with pymongo.timeout(_SECONDS):
        cursor = await Book.get_pymongo_collection().aggregate(pipeline, **options)
        return await cursor.to_list()


async def titled(beginning: str, *, filters: Query, fields: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return live books whose normal title begins so: those with exactly this title, and the most popular others.

    Of very many such titles only the first six hundred in the alphabet are looked at; the exact ones lead those.
    """
    pipeline: list[dict[str, Any]] = [
        {"$match": {"search.title": {"$gte": beginning, "$lt": beginning + _LAST}}},
        {"$sort": {"search.title": 1, "_id": 1}},
        {"$limit": _TITLES_SCANNED},
        {"$match": {**LIVE, **filters}},
        {"$project": {**fields, "exact": {"$eq": ["$search.title", beginning]}}},
        {"$sort": {"exact": -1, **_BY_POPULARITY}},
        {"$limit": _TITLES},
    ]
    with pymongo.timeout(_SECONDS):
        cursor = await Book.get_pymongo_collection().aggregate(pipeline, hint={"search.title": 1, "_id": 1})
        return await cursor.to_list()


async def of_isbn(isbn13: str, *, filters: Query, fields: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the live book with this ISBN, as a list of one or none."""
    query = {"isbn13": isbn13, **LIVE, **filters}
    with pymongo.timeout(_SECONDS):
        return await Book.get_pymongo_collection().find(query, dict(fields)).limit(1).to_list(1)
