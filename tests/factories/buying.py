"""Makes what orders are made of: one function per noun, every field overridable."""

import uuid
from typing import Any

import httpx

from tests.factories.books import API, a_book, stock_of


def an_address(**overrides: Any) -> dict[str, Any]:
    """Return a valid address."""
    return {
        "name": "Ada Lovelace",
        "line1": "12 St James's Square",
        "city": "London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    } | overrides


def order_body(**overrides: Any) -> dict[str, Any]:
    """Return a valid body for `POST /orders`, from the cart."""
    return {"shipping_address": an_address()} | overrides


def key() -> dict[str, str]:
    """Return the header with an idempotency key of its own."""
    return {"Idempotency-Key": uuid.uuid4().hex}


async def a_stocked_book(staff: httpx.AsyncClient, copies: int = 10, **overrides: Any) -> str:
    """Make a book of which there are so many copies, and return its id."""
    book_id: str = (await a_book(staff, **overrides))["id"]
    await stock_of(staff, book_id, copies)
    return book_id


async def put_in_cart(shopper: httpx.AsyncClient, book_id: str, quantity: int = 1) -> dict[str, Any]:
    """Put copies of a book into the cart and return the cart."""
    response = await shopper.post(f"{API}/cart/items", json={"book_id": book_id, "quantity": quantity})
    assert response.status_code == 201, response.text
    cart: dict[str, Any] = response.json()
    return cart


async def order(
    shopper: httpx.AsyncClient, *items: tuple[str, int], headers: dict[str, str] | None = None, **overrides: Any
) -> httpx.Response:
    """Send an order for so many copies of these books, or for the cart."""
    chosen = {"items": [{"book_id": book_id, "quantity": quantity} for book_id, quantity in items]} if items else {}
    return await shopper.post(f"{API}/orders", json=order_body(**chosen, **overrides), headers=headers or key())


async def an_order(shopper: httpx.AsyncClient, *items: tuple[str, int], **overrides: Any) -> dict[str, Any]:
    """Place an order and return it."""
    response = await order(shopper, *items, **overrides)
    assert response.status_code == 201, response.text
    placed: dict[str, Any] = response.json()
    return placed


async def stock(staff: httpx.AsyncClient, book_id: str) -> tuple[int, int]:
    """Return how many copies are on hand, and how many of them are held."""
    found = (await staff.get(f"{API}/inventory/{book_id}")).json()
    return found["on_hand"], found["held"]
