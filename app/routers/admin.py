"""What only staff and administrators see, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import private, response_of, written
from app.dependencies import Admin, IdempotencyKey, Pages, Shop, Staff
from app.idempotency import Once
from app.pagination import Page
from app.routers.responses import STAFF_READ, STAFF_WRITE, problems
from app.schemas.admin import AdminBookQuery, AdminBookView, AdminUserQuery, AdminUserView, Standing
from app.services import staffing, supervising

router = APIRouter(prefix="/admin", tags=["admin"])


@router.get("/books", response_model=Page[AdminBookView], responses=STAFF_READ | problems(400))
async def list_all_books(
    request: Request, shop: Shop, query: Annotated[AdminBookQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List books with their stock, archived ones too, narrowed by the same filters as for everybody."""
    return private(
        request,
        await shop.database.fresh(lambda: supervising.list_all_books(query, sort=query.sort, page=pages(query))),
    )


@router.get("/products", response_model=Page[AdminBookView], responses=STAFF_READ | problems(400))
async def list_all_products(
    request: Request, shop: Shop, query: Annotated[AdminBookQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List books under the name that older clients know them by; the same as `/admin/books`."""
    return private(
        request,
        await shop.database.fresh(lambda: supervising.list_all_books(query, sort=query.sort, page=pages(query))),
    )


@router.get("/users", response_model=Page[AdminUserView], responses=STAFF_READ | problems(400))
async def list_all_users(
    request: Request, shop: Shop, query: Annotated[AdminUserQuery, Query()], pages: Pages, admin: Admin
) -> Response:
    """List the users, the newest first."""
    return private(request, await shop.database.fresh(lambda: staffing.list_users(query, page=pages(query))))


@router.patch("/users/{user_id}", response_model=AdminUserView, responses=STAFF_WRITE | problems(404, 409))
async def change_standing(user_id: str, body: Standing, shop: Shop, admin: Admin, key: IdempotencyKey) -> Response:
    """Give a user another role, or shut (`disabled`) or open the account; both hold at once."""
    once = Once[AdminUserView](key, lambda user: written(user, tagged=False))
    return response_of(await staffing.change_standing(shop.writer, user_id, body, asked_by=admin, once=once))
