"""Makes books: one function per noun, every field overridable."""

from typing import Any

import httpx

API = "/api/v1"


def book_body(**overrides: Any) -> dict[str, Any]:
    """Return a valid body for `POST /books`."""
    return {
        "title": "The Left Hand of Darkness",
        "authors": ["Ursula K. Le Guin"],
        "language": "en",
        "price": {"amount": 1299, "currency": "USD"},
    } | overrides


async def a_book(staff: httpx.AsyncClient, **overrides: Any) -> dict[str, Any]:
    """Create a book and return it."""
    response = await staff.post(f"{API}/books", json=book_body(**overrides))
    assert response.status_code == 201, response.text
    book: dict[str, Any] = response.json()
    return book


async def a_category(staff: httpx.AsyncClient, **overrides: Any) -> dict[str, Any]:
    """Create a category and return it."""
    response = await staff.post(f"{API}/categories", json={"name": "Science Fiction"} | overrides)
    assert response.status_code == 201, response.text
    category: dict[str, Any] = response.json()
    return category


async def stock_of(staff: httpx.AsyncClient, book_id: str, copies: int) -> dict[str, Any]:
    """Set a book's stock and return it."""
    response = await staff.patch(f"{API}/inventory/{book_id}", json={"set": copies, "reason": "a test"})
    assert response.status_code == 200, response.text
    stock: dict[str, Any] = response.json()
    return stock
