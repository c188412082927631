"""Searches the catalogue, and completes what people are typing."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.models.book import Book
from app.models.book_search import RANKED_FIELDS
from app.models.category import Category
from app.pagination import Page, PageInfo, PageRequest, Position, Total, whole
from app.schemas.book import BookView
from app.schemas.search import RELEVANCE, Facet, Facets, Highlight, SearchHit, SearchQuery, Suggestion
from app.search import facets as counting
from app.search import suggestions as completing
from app.search.highlighting import highlight
from app.search.ranking import Ranked
from app.search.retrieval import Found, ask, corrected_query, find, find_isbn, isbn_in
from app.search.suggestions import suggestions
from app.search.understanding import Query, understand
from app.search.vocabulary_feed import VocabularyFeed
from app.services.browsing import narrowing_query, page_of_books


class SearchPage(Page[SearchHit]):
    """A part of what was found. `total` and the facets count up to the thousand most popular matches."""

    corrected_query: str | None = None
    facets: Facets | None = None


async def search_books(asked: SearchQuery, *, page: PageRequest, vocabulary: VocabularyFeed) -> SearchPage:
    """Return a page of the live books that the words mean, the best first unless another sort is asked for.

    A book that was acknowledged is found by its words at once; of more than a thousand matches the most popular are
    ranked, and the one with exactly the title asked for. An ISBN leads to its book.

    Raises:
        InvalidInput: a category that there isn't.
    """
    fields = dict(RANKED_FIELDS) | {counting.FIELDS[facet]: 1 for facet in asked.wanted_facets}
    filters = await narrowing_query(asked)
    query = understand(asked.q, await vocabulary.current())
    found = await _find(asked.q, query, filters=filters, fields=fields)
    counted = _facets(asked, query, found) if asked.wanted_facets else None
    hits, info = await (
        _best_first(found, page) if asked.sort == RELEVANCE else _sorted(found, sort=asked.sort, page=page)
    )
    return SearchPage(
        data=[_hit(view, highlight(view, found.reading)) for view in hits],
        page=info.model_copy(update={"total": _total(found)}),
        corrected_query=corrected_query(query, found),
        facets=await counted if counted else None,
    )


async def suggest(text: str, *, limit: int, vocabulary: VocabularyFeed) -> Page[Suggestion]:
    """Return titles, authors and series that go on as the text begins, the best first."""
    query = understand(text, await vocabulary.current())
    found = await find(query, filters={}, fields=completing.FIELDS, at_most=completing.CANDIDATES)
    return whole(suggestions(found.ranked, reading=found.reading, limit=limit))


async def _find(text: str, query: Query, *, filters: Mapping[str, Any], fields: Mapping[str, int]) -> Found:
    isbn13 = isbn_in(text)
    if isbn13:
        found = await find_isbn(isbn13, filters=filters, fields=fields)
        if found.ranked:
            return found
    return await find(query, filters=filters, fields=fields)


async def _best_first(found: Found, page: PageRequest) -> tuple[list[BookView], PageInfo]:
    rest = _after(tuple(page.after), found.ranked) if page.after else found.ranked
    part = page.page_of([((one.score, one.id), one) for one in rest[: page.fetch]])
    views = await Book.views([one.id for one in part.data])
    # A book archived in between is left out; the cursor stands all the same.
    return [views[one.id] for one in part.data if one.id in views], part.page


def _after(position: Position, ranked: list[Ranked]) -> list[Ranked]:
    # Words weigh otherwise once there are other books, and all scores with them; the order of the books seldom changes.
    # So what comes next is what stands behind the last one shown, and only where that is gone, what scores less.
    for at, one in enumerate(ranked):
        if one.id == position[1]:
            return ranked[at + 1 :]
    return [one for one in ranked if (one.score, one.id) < position]


async def _sorted(found: Found, *, sort: str, page: PageRequest) -> tuple[list[BookView], PageInfo]:
    part = await page_of_books(found.query, sort=sort, page=page)
    return part.data, part.page


def _total(found: Found) -> Total:
    return Total(value=len(found.ranked), relation="eq" if found.complete else "gte")


def _hit(view: BookView, marked: Highlight | None) -> SearchHit:
    return SearchHit.model_construct(**{**view.__dict__, "highlight": marked})


async def _facets(asked: SearchQuery, query: Query, found: Found) -> Facets:
    """Count each facet over the books found, a facet that is filtered by over those found without its own filter."""
    wanted = asked.wanted_facets
    sets = await asyncio.gather(*(_counted_over(facet, asked, query, found) for facet in wanted))
    counts: dict[str, Any] = {}
    for facet, one in zip(wanted, sets, strict=True):
        documents = [hit.document for hit in one.ranked]
        match facet:
            case Facet.PRICE:
                counts[facet] = counting.by_price(documents)
            case Facet.RATING:
                counts[facet] = counting.by_rating(documents)
            case Facet.CATEGORY:
                values = counting.by_value(facet, documents)
                categories = await Category.of_references([value.value for value in values]) if values else []
                counts[facet] = counting.labelled(values, {one.id: (one.slug, one.name) for one in categories})
            case _:
                counts[facet] = counting.by_value(facet, documents)
    return Facets(relation="eq" if all(one.complete for one in sets) else "gte", **counts)


async def _counted_over(facet: Facet, asked: SearchQuery, query: Query, found: Found) -> Found:
    unfiltered = counting.FILTERS[facet]
    if all(getattr(asked, name) == value for name, value in unfiltered.items()) or not found.reading.groups:
        return found
    filters = await narrowing_query(asked.model_copy(update=dict(unfiltered)))
    return await ask(found.reading, query, filters=filters, fields={**RANKED_FIELDS, counting.FIELDS[facet]: 1})
