"""The stock over HTTP, for staff."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import private, response_of, written
from app.dependencies import IdempotencyKey, Pages, Shop, Staff
from app.idempotency import Once
from app.pagination import Page
from app.routers.responses import STAFF_READ, STAFF_WRITE, problems
from app.schemas.book_query import ListQuery
from app.schemas.inventory import InventoryChange, InventoryView, MovementView
from app.services import stocktaking

router = APIRouter(prefix="/inventory", tags=["inventory"])


@router.get("/low-stock", response_model=Page[InventoryView], responses=STAFF_READ | problems(400))
async def list_low_stock(
    request: Request, shop: Shop, query: Annotated[ListQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List the stocks of books on sale at or below their threshold, the emptiest first."""
    return private(request, await shop.database.fresh(lambda: stocktaking.list_low_stock(page=pages(query))))


@router.get("/{book_id}", response_model=InventoryView, responses=STAFF_READ | problems(404))
async def get_inventory(book_id: str, request: Request, shop: Shop, staff: Staff) -> Response:
    """Get the exact stock of a book."""
    return private(request, await shop.database.fresh(lambda: stocktaking.get_inventory(book_id)))


@router.patch("/{book_id}", response_model=InventoryView, responses=STAFF_WRITE | problems(404, 409))
async def change_stock(book_id: str, body: InventoryChange, shop: Shop, staff: Staff, key: IdempotencyKey) -> Response:
    """Put copies in or take them out (`delta`), or say how many there are (`set`)."""
    once = Once[InventoryView](key, lambda stock: written(stock, tagged=False))
    answer = await stocktaking.change_stock(shop.writer, book_id, body, actor=staff.user_id, once=once)
    return response_of(answer)


@router.get("/{book_id}/movements", response_model=Page[MovementView], responses=STAFF_READ | problems(400, 404))
async def list_movements(
    book_id: str, request: Request, shop: Shop, query: Annotated[ListQuery, Query()], pages: Pages, staff: Staff
) -> Response:
    """List what happened to a book's stock, the newest first."""
    return private(request, await shop.database.fresh(lambda: stocktaking.list_movements(book_id, page=pages(query))))
