"""Books over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from app.answers import nothing, private, response_of, written
from app.cache import tags
from app.dependencies import Catalogue, IdempotencyKey, IfMatch, Pages, Shop, Staff
from app.idempotency import Once
from app.pagination import Page
from app.paths import API
from app.routers.responses import GUARDED, LISTED, READ, STAFF_WRITE, Responses, links, problems
from app.schemas.book import BatchGet, BatchView, BookInput, BookView, Cover
from app.schemas.book_query import BookListQuery, ListQuery, RelatedQuery
from app.services import browsing, cataloguing

router = APIRouter(tags=["books"])

_AFTER_CREATION = (
    "get_book", "replace_book", "patch_book", "archive_book", "list_related_books", "remove_cover",
    "get_inventory", "change_stock", "list_movements",
)  # fmt: skip
_MADE: Responses = {201: {"links": links("book_id", *_AFTER_CREATION)}}

MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="JSON merge patch (RFC 7396): fields to change, null to remove",
        openapi_examples={"price": {"value": {"price": {"amount": 1299, "currency": "USD"}}}},
    ),
]


@router.get("/books", response_model=Page[BookView], responses=LISTED)
async def list_books(query: Annotated[BookListQuery, Query()], pages: Pages, catalogue: Catalogue) -> Response:
    """List books, narrowed by filters: repeat one for OR; different ones mean AND."""
    page = pages(query)
    return await catalogue(tags.BOOKS, lambda: browsing.list_books(query, sort=query.sort, page=page))


@router.get("/new-releases", response_model=Page[BookView], responses=LISTED)
async def list_new_releases(query: Annotated[ListQuery, Query()], pages: Pages, catalogue: Catalogue) -> Response:
    """List books by their year of publication, the newest first."""
    page = pages(query)
    return await catalogue(tags.BOOKS, lambda: browsing.list_new_releases(page=page))


@router.post("/books", status_code=201, response_model=BookView, responses=STAFF_WRITE | problems(409) | _MADE)
async def create_book(body: BookInput, shop: Shop, staff: Staff, key: IdempotencyKey) -> Response:
    """Add a book; its stock starts at 0."""
    once = Once[BookView](key, lambda book: written(book, status=201, location=f"{API}/books/{book.id}"))
    return response_of(await cataloguing.create_book(shop.writer, body, once=once))


@router.post("/books/batch-get", response_model=BatchView, responses=problems(413, 415, 422))
async def get_books(body: BatchGet, request: Request, shop: Shop) -> Response:
    """Get up to 100 books at once, in the order of the ids."""
    return private(request, await shop.database.fresh(lambda: browsing.get_books(body.ids)))


@router.get("/books/{book_id}", response_model=BookView, responses=READ | problems(410))
async def get_book(book_id: str, catalogue: Catalogue) -> Response:
    """Get a book by its id, or by its ISBN-10 or -13, with or without hyphens."""
    return await catalogue(tags.name_of(book_id), lambda: browsing.get_book(book_id))


@router.put("/books/{book_id}", response_model=BookView, responses=GUARDED | problems(409, 410))
async def replace_book(
    book_id: str, body: BookInput, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch
) -> Response:
    """Replace every writable field of a book; fields left out become empty."""
    once = Once[BookView](key, written)
    return response_of(await cataloguing.replace_book(shop.writer, book_id, body, if_match=if_match, once=once))


@router.patch("/books/{book_id}", response_model=BookView, responses=GUARDED | problems(409, 410))
async def patch_book(
    book_id: str, body: MergePatch, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch
) -> Response:
    """Change some fields of a book by a JSON merge patch."""
    once = Once[BookView](key, written)
    return response_of(await cataloguing.patch_book(shop.writer, book_id, body, if_match=if_match, once=once))


@router.delete("/books/{book_id}", status_code=204, responses=GUARDED | problems(410))
async def archive_book(book_id: str, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch) -> Response:
    """Archive a book: it leaves the catalogue, and orders keep their copy."""
    once = Once[None](key, nothing)
    return response_of(await cataloguing.archive_book(shop.writer, book_id, if_match=if_match, once=once))


@router.get("/books/{book_id}/related", response_model=Page[BookView], responses=READ | problems(410))
async def list_related_books(book_id: str, query: Annotated[RelatedQuery, Query()], catalogue: Catalogue) -> Response:
    """List books that go with one: of its series first, then by its authors, then from its categories."""
    return await catalogue(tags.BOOKS, lambda: browsing.related_books(book_id, limit=query.limit))


@router.get("/books/{book_id}/cover", response_model=Cover, responses=READ | problems(410))
async def get_cover(book_id: str, catalogue: Catalogue) -> Response:
    """Get the addresses of a book's cover in both sizes."""
    return await catalogue(tags.BOOKS, lambda: browsing.get_cover(book_id))


@router.delete("/books/{book_id}/cover", status_code=204, responses=GUARDED | problems(410))
async def remove_cover(book_id: str, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch) -> Response:
    """Take a book's cover away; If-Match is the book's ETag."""
    once = Once[None](key, nothing)
    return response_of(await cataloguing.remove_cover(shop.writer, book_id, if_match=if_match, once=once))
