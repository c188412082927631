"""Search and suggestions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.cache import tags
from app.dependencies import Catalogue, Pages, Shop
from app.pagination import Page
from app.routers.responses import LISTED, READ
from app.schemas.search import SearchQuery, Suggestion, SuggestQuery
from app.services import searching
from app.services.searching import SearchPage

router = APIRouter(tags=["search"])


@router.get("/books/search", response_model=SearchPage, responses=LISTED)
async def search_books(
    query: Annotated[SearchQuery, Query()], pages: Pages, shop: Shop, catalogue: Catalogue
) -> Response:
    """Search titles, subtitles, series, authors, descriptions and ISBNs.

    Typing mistakes, missing accents and an unfinished last word are understood; where the best hit was found by other
    words than those typed, `corrected_query` says by which. `page.total` and `facets` count all matches up to 1,000
    (`eq`), or the 1,000 most popular of more (`gte`), which are those that are ranked.
    """
    page = pages(query)
    return await catalogue(tags.SEARCH, lambda: searching.search_books(query, page=page, vocabulary=shop.vocabulary))


@router.get("/books/suggest", response_model=Page[Suggestion], responses=READ)
async def suggest(query: Annotated[SuggestQuery, Query()], shop: Shop, catalogue: Catalogue) -> Response:
    """Complete what somebody is typing: titles, authors and series, popular ones first."""
    return await catalogue(
        tags.SUGGEST, lambda: searching.suggest(query.q, limit=query.limit, vocabulary=shop.vocabulary)
    )
