"""What only staff see, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import private
from app.dependencies import Pages, Staff
from app.pagination import Page
from app.routers.responses import STAFF_READ, problems
from app.schemas.admin import AdminBookQuery, AdminBookView
from app.services import supervising

router = APIRouter(prefix="/admin", tags=["admin"])


@router.get("/books", response_model=Page[AdminBookView], responses=STAFF_READ | problems(400))
async def list_all_books(
    request: Request, query: Annotated[AdminBookQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List books with their stock, archived ones too, narrowed by the same filters as for everybody."""
    return private(request, await supervising.list_all_books(query, sort=query.sort, page=pages(query)))


@router.get("/products", response_model=Page[AdminBookView], responses=STAFF_READ | problems(400))
async def list_all_products(
    request: Request, query: Annotated[AdminBookQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List books under the name that older clients know them by; the same as `/admin/books`."""
    return private(request, await supervising.list_all_books(query, sort=query.sort, page=pages(query)))
