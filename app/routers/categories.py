"""Categories over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.answers import nothing, response_of, written
from app.cache import tags
from app.dependencies import Catalogue, IdempotencyKey, IfMatch, Pages, Shop, Staff
from app.idempotency import Once
from app.pagination import Page
from app.paths import API
from app.routers.books import MergePatch
from app.routers.responses import GUARDED, LISTED, READ, STAFF_WRITE, Responses, links, problems
from app.schemas.book import BookView
from app.schemas.book_query import BookListQuery
from app.schemas.category import CategoryInput, CategoryView, TreeQuery
from app.services import browsing, shelving

router = APIRouter(prefix="/categories", tags=["categories"])

_AFTER_CREATION = (
    "get_category", "replace_category", "patch_category", "delete_category", "list_books_of_category",
)  # fmt: skip
_MADE: Responses = {201: {"links": links("category", *_AFTER_CREATION)}}


@router.get("", response_model=Page[CategoryView], responses=LISTED)
async def list_categories(query: Annotated[TreeQuery, Query()], catalogue: Catalogue) -> Response:
    """Get the whole tree: the roots by name, each with everything below it, with counts of books."""
    return await catalogue(tags.CATEGORIES, shelving.category_tree)


@router.post("", status_code=201, response_model=CategoryView, responses=STAFF_WRITE | problems(409) | _MADE)
async def create_category(body: CategoryInput, shop: Shop, staff: Staff, key: IdempotencyKey) -> Response:
    """Add a category, below another one where `parent` is given."""
    once = Once[CategoryView](key, lambda one: written(one, status=201, location=f"{API}/categories/{one.id}"))
    return response_of(await shelving.create_category(shop.writer, body, once=once))


@router.get("/{category}", response_model=CategoryView, responses=READ)
async def get_category(category: str, catalogue: Catalogue) -> Response:
    """Get a category by its id or slug, with everything below it."""
    return await catalogue(tags.CATEGORIES, lambda: shelving.get_category(category))


@router.put("/{category}", response_model=CategoryView, responses=GUARDED | problems(409))
async def replace_category(
    category: str, body: CategoryInput, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch
) -> Response:
    """Replace a category's fields; a new parent moves it with everything below it."""
    once = Once[CategoryView](key, written)
    return response_of(await shelving.replace_category(shop.writer, category, body, if_match=if_match, once=once))


@router.patch("/{category}", response_model=CategoryView, responses=GUARDED | problems(409))
async def patch_category(
    category: str, body: MergePatch, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch
) -> Response:
    """Change some of a category's fields by a JSON merge patch."""
    once = Once[CategoryView](key, written)
    return response_of(await shelving.patch_category(shop.writer, category, body, if_match=if_match, once=once))


@router.delete("/{category}", status_code=204, responses=GUARDED | problems(409))
async def delete_category(category: str, shop: Shop, staff: Staff, key: IdempotencyKey, if_match: IfMatch) -> Response:
    """Delete a category that holds no books and no categories."""
    once = Once[None](key, nothing)
    return response_of(await shelving.delete_category(shop.writer, category, if_match=if_match, once=once))


@router.get("/{category}/books", response_model=Page[BookView], responses=LISTED | problems(404))
async def list_books_of_category(
    category: str, query: Annotated[BookListQuery, Query()], pages: Pages, catalogue: Catalogue
) -> Response:
    """List the books of a category and of all below it; the same filters as for all books."""
    page = pages(query)
    return await catalogue(
        tags.BOOKS, lambda: browsing.list_books_of_category(category, query, sort=query.sort, page=page)
    )
