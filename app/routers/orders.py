"""Orders over HTTP."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import private, response_of, written
from app.dependencies import CurrentUser, IdempotencyKey, NeededKey, Pages, Shop, Staff
from app.idempotency import Answer, Once
from app.models.order import Order
from app.pagination import Page
from app.paths import API
from app.routers.responses import ORDER_READ, ORDER_WRITE, STAFF_READ, problems
from app.schemas.book_query import ListQuery
from app.schemas.order import (
    AdminOrderQuery,
    AdminOrderView,
    Cancellation,
    OrderEventView,
    OrderInput,
    OrderView,
    Transition,
)
from app.services import checkout, orders

router = APIRouter(tags=["orders"])


def _moved(order: Order) -> Answer:
    # What it means for the order's money is for the gateway to say.
    return replace(written(orders.order_view(order), tagged=False), unfinished=order.id)


def _placed(order: Order) -> Answer:
    shown = written(orders.order_view(order), status=201, location=f"{API}/orders/{order.id}", tagged=False)
    return replace(shown, unfinished=order.id)


@router.post("/orders", status_code=201, response_model=OrderView, responses=ORDER_WRITE | problems(402))
async def place_order(body: OrderInput, shop: Shop, user: CurrentUser, key: NeededKey) -> Response:
    """Order what is in one's cart, or the items given; the copies are held until it is paid or expires."""
    once = Once[Order](key, _placed)
    answer = await checkout.place_order(shop.till, shop.stock, user, body, settings=shop.settings, once=once)
    return response_of(answer)


@router.get("/orders", response_model=Page[OrderView], responses=ORDER_READ | problems(400))
async def list_orders(
    request: Request, query: Annotated[ListQuery, Query()], shop: Shop, user: CurrentUser, pages: Pages
) -> Response:
    """List one's own orders, the newest first."""
    return private(request, await orders.list_orders(shop.database, user, page=pages(query)))


@router.get("/orders/{order_id}", response_model=OrderView, responses=ORDER_READ)
async def get_order(order_id: str, request: Request, shop: Shop, user: CurrentUser) -> Response:
    """Get an order."""
    return private(request, await orders.get_order(shop.database, order_id, user))


@router.get("/orders/{order_id}/events", response_model=Page[OrderEventView], responses=ORDER_READ | problems(400))
async def list_order_events(
    order_id: str, request: Request, query: Annotated[ListQuery, Query()], shop: Shop, user: CurrentUser, pages: Pages
) -> Response:
    """List what happened to an order, the oldest first."""
    return private(request, await orders.list_events(shop.database, order_id, user, page=pages(query)))


@router.post("/orders/{order_id}/cancel", response_model=OrderView, responses=ORDER_WRITE)
async def cancel_order(
    order_id: str, shop: Shop, user: CurrentUser, key: IdempotencyKey, body: Cancellation | None = None
) -> Response:
    """Cancel an order that isn't shipped yet; what was paid is given back. A repeat changes nothing."""
    once = Once[Order](key, _moved)
    reason = body.reason if body else None
    return response_of(await orders.cancel_order(shop.till, order_id, user, reason=reason, once=once))


@router.post("/orders/{order_id}/transitions", response_model=OrderView, responses=ORDER_WRITE)
async def move_order(order_id: str, body: Transition, shop: Shop, staff: Staff, key: IdempotencyKey) -> Response:
    """Move an order on: `processing`, `shipped`, `delivered`, or `cancelled`; a refusal says what is `allowed`."""
    once = Once[Order](key, _moved)
    return response_of(await orders.move_order(shop.till, order_id, staff, to=body.to, once=once))


@router.get("/admin/orders", response_model=Page[AdminOrderView], responses=STAFF_READ | problems(400))
async def list_all_orders(
    request: Request, query: Annotated[AdminOrderQuery, Query()], shop: Shop, staff: Staff, pages: Pages
) -> Response:
    """List everybody's orders, the newest first."""
    return private(request, await orders.list_all_orders(shop.database, query, page=pages(query)))
