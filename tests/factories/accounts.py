"""Makes people with accounts: one function per noun, every field overridable."""

from typing import Any

import httpx

from tests.factories.books import API

PASSWORD = "seven lamps by the harbour"


def registration(**overrides: Any) -> dict[str, Any]:
    """Return a valid body for `POST /auth/register`."""
    return {"email": "ada@example.com", "username": "ada", "password": PASSWORD} | overrides


async def a_user(client: httpx.AsyncClient, **overrides: Any) -> dict[str, Any]:
    """Register somebody and return the answer: `user`, `access_token`, `refresh_token`."""
    response = await client.post(f"{API}/auth/register", json=registration(**overrides))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def bearer(access_token: str) -> dict[str, str]:
    """Return the header that a token goes into."""
    return {"Authorization": f"Bearer {access_token}"}


def address_body(**overrides: Any) -> dict[str, Any]:
    """Return a valid body for `POST /users/me/addresses`."""
    return {
        "name": "Ada Lovelace",
        "line1": "12 St James's Square",
        "city": "London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    } | overrides
