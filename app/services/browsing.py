"""Shows the catalogue: lists, single books by any reference, many at once, and what goes with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.errors import FieldError, Gone, InvalidInput, NotFound
from app.ids import BOOK
from app.models.book import Book
from app.models.book_filters import after, filter_query, position_of, sort_spec
from app.models.category import Category
from app.pagination import COUNTED_UP_TO, Page, PageRequest, Position, whole
from app.schemas.book import BatchView, BookView, Cover
from app.schemas.book_query import BookFilters
from app.schemas.fields import parse_isbn
from app.search.text import name_key

_RELATED_CANDIDATES = 100


def reference_query(reference: str) -> dict[str, str]:
    """Return the query for a book's id, or its ISBN with or without hyphens and spaces.

    Raises:
        NotFound: it is neither.
    """
    if reference.startswith(f"{BOOK}_"):
        return {"_id": reference}
    isbn13 = parse_isbn(reference)
    if isbn13 is None:
        raise NotFound("There is no such book.")
    return {"isbn13": isbn13}


async def get_book(reference: str) -> BookView:
    """Return the book with this id or ISBN.

    Raises:
        NotFound: there never was one.
        Gone: it was archived.
    """
    document = await Book.public_document(reference_query(reference))
    if document is None:
        raise NotFound("There is no such book.")
    if document["archived_at"] is not None:
        raise Gone("This book is not sold any more.")
    return BookView.model_validate(document)


async def narrowing_query(filters: BookFilters) -> dict[str, Any]:
    """Return the query for the filters.

    Raises:
        InvalidInput: a category that there isn't.
    """
    categories = await Category.of_references(filters.category) if filters.category else []
    known = {category.id for category in categories} | {category.slug for category in categories}
    unknown = [reference for reference in filters.category if reference not in known]
    if unknown:
        raise InvalidInput(*(FieldError("?category", "unknown_category", f"no category {name}") for name in unknown))
    return filter_query(
        filters,
        category_ids=[category.id for category in categories],
        author_keys=map(name_key, filters.author),
        publisher_keys=map(name_key, filters.publisher),
        series_keys=map(name_key, filters.series),
    )


async def list_books(filters: BookFilters, *, sort: str, page: PageRequest) -> Page[BookView]:
    """Return a page of live books; rows that come or go between pages neither repeat nor hide others."""
    return await page_of_books(await narrowing_query(filters), sort=sort, page=page)


async def page_of_books(query: dict[str, Any], *, sort: str, page: PageRequest) -> Page[BookView]:
    """Return a page of the live books that a query names."""
    spec = sort_spec(sort)
    beyond = {"$and": [query, after(revived(page.after, spec), spec)]} if page.after else query
    documents = await Book.page(beyond, sort=spec, limit=page.fetch)
    total = await Book.count_matching(query, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return page.page_of(
        [(position_of(document, spec), BookView.model_validate(document)) for document in documents], total
    )


def revived(position: Position, spec: Sequence[tuple[str, int]]) -> Position:
    """Return a cursor's position with its times as times again: JSON has none."""
    return tuple(
        datetime.fromisoformat(value) if path == "created_at" else value
        for value, (path, _) in zip(position, spec, strict=True)
    )


async def get_books(ids: Sequence[str]) -> BatchView:
    """Return the live books with these ids in the order given, and the ids of the others; a repeated id counts once."""
    wanted = list(dict.fromkeys(ids))
    views = await Book.views(wanted)
    return BatchView(
        data=[views[one] for one in wanted if one in views], missing=[one for one in wanted if one not in views]
    )


async def related_books(reference: str, *, limit: int) -> Page[BookView]:
    """Return books that go with one: of its series first, then by its authors, then from its categories.

    Raises:
        NotFound, Gone: as for the book itself.
    """
    book = await get_book(reference)
    documents = await Book.sharing_anything(book, at_most=_RELATED_CANDIDATES)
    series = book.series.name if book.series else None
    categories = {category.id for category in book.categories}

    def nearness(document: dict[str, Any]) -> tuple[int, int]:
        same_series = series is not None and (document.get("series") or {}).get("name") == series
        same_author = bool(set(book.authors) & set(document["authors"]))
        shared = len(categories & {category["id"] for category in document["categories"]})
        return 100 * same_series + 10 * same_author + min(shared, 9), document["popularity"]

    documents.sort(key=nearness, reverse=True)
    return whole([BookView.model_validate(document) for document in documents[:limit]])


async def list_new_releases(*, page: PageRequest) -> Page[BookView]:
    """Return a page of live books by their year of publication, the newest first."""
    return await page_of_books({}, sort="-published_year", page=page)


async def list_books_of_category(
    reference: str, filters: BookFilters, *, sort: str, page: PageRequest
) -> Page[BookView]:
    """Return a page of the live books of a category and of all below it.

    Raises:
        NotFound: there is no such category.
    """
    category = await Category.of_reference(reference)
    if category is None:
        raise NotFound("There is no such category.")
    query = {"$and": [{"category_path": category.id}, await narrowing_query(filters)]}
    return await page_of_books(query, sort=sort, page=page)


async def get_cover(reference: str) -> Cover:
    """Return where a book's cover is.

    Raises:
        NotFound: there is no such book, or it has no cover; Gone: it was archived.
    """
    book = await get_book(reference)
    if book.cover is None:
        raise NotFound("This book has no cover.")
    return book.cover
