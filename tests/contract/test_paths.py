import httpx
import pytest
from fastapi import FastAPI

# API.md, sections 2 to 5 and 8: what this stage of the product serves.
PROMISED = """
POST   /api/v1/auth/register
POST   /api/v1/auth/login
POST   /api/v1/auth/token
POST   /api/v1/auth/token/refresh
POST   /api/v1/auth/logout
POST   /api/v1/auth/logout-all
POST   /api/v1/auth/email/verify
POST   /api/v1/auth/email/resend
POST   /api/v1/auth/password/forgot
POST   /api/v1/auth/password/reset
GET    /api/v1/users/me
PUT    /api/v1/users/me
PATCH  /api/v1/users/me
DELETE /api/v1/users/me
POST   /api/v1/users/me/password
GET    /api/v1/users/me/sessions
DELETE /api/v1/users/me/sessions/{}
GET    /api/v1/users/me/addresses
POST   /api/v1/users/me/addresses
GET    /api/v1/users/me/addresses/{}
PUT    /api/v1/users/me/addresses/{}
DELETE /api/v1/users/me/addresses/{}
GET    /api/v1/users
GET    /api/v1/users/{}
PATCH  /api/v1/users/{}
DELETE /api/v1/users/{}
GET    /api/v1/admin/users
PATCH  /api/v1/admin/users/{}
GET    /api/v1/books
GET    /api/v1/books/search
GET    /api/v1/books/suggest
GET    /api/v1/books/{}
POST   /api/v1/books
PUT    /api/v1/books/{}
PATCH  /api/v1/books/{}
DELETE /api/v1/books/{}
POST   /api/v1/books/batch-get
GET    /api/v1/books/{}/cover
DELETE /api/v1/books/{}/cover
GET    /api/v1/books/{}/related
GET    /api/v1/new-releases
GET    /api/v1/categories
POST   /api/v1/categories
GET    /api/v1/categories/{}
PUT    /api/v1/categories/{}
PATCH  /api/v1/categories/{}
DELETE /api/v1/categories/{}
GET    /api/v1/categories/{}/books
GET    /api/v1/inventory/{}
PATCH  /api/v1/inventory/{}
GET    /api/v1/inventory/{}/movements
GET    /api/v1/inventory/low-stock
GET    /api/v1/admin/books
GET    /api/v1/admin/products
POST   /api/v1/payments
GET    /api/v1/payments
GET    /api/v1/payments/{}
POST   /api/v1/payments/{}/verify
POST   /api/v1/payments/{}/refunds
GET    /api/v1/payments/{}/refunds
GET    /api/v1/admin/payments
GET    /api/v1/admin/audit-log
POST   /api/v1/webhooks/stripe
GET    /api/v1/admin/orders
POST   /api/v1/carts
GET    /api/v1/cart
DELETE /api/v1/cart
POST   /api/v1/cart/items
PUT    /api/v1/cart/items/{}
PATCH  /api/v1/cart/items/{}
DELETE /api/v1/cart/items/{}
POST   /api/v1/cart/merge
POST   /api/v1/orders
GET    /api/v1/orders
GET    /api/v1/orders/{}
GET    /api/v1/orders/{}/events
POST   /api/v1/orders/{}/cancel
POST   /api/v1/orders/{}/transitions
GET    /api/v1/status
GET    /healthz
GET    /readyz
GET    /metrics
"""


def _promised() -> set[tuple[str, str]]:
    return {(method, path) for method, path in (line.split() for line in PROMISED.strip().splitlines())}


def _documented(app: FastAPI) -> set[tuple[str, str]]:
    return {
        (method.upper(), "/".join("{}" if step.startswith("{") else step for step in path.split("/")))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }


def test_the_document_names_the_promised_paths_and_no_others(app: FastAPI) -> None:
    assert _documented(app) == _promised()


@pytest.mark.parametrize(("method", "path"), sorted(_promised()))
async def test_every_promised_path_is_served(staff: httpx.AsyncClient, method: str, path: str) -> None:
    response = await staff.request(method, path.format("unknown"))

    assert response.status_code < 500
    assert response.status_code != 405
    if response.status_code == 404:
        assert response.json()["detail"] != "There is nothing at this path."


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/v1/docs", "/api/v1/redoc"])
async def test_the_document_is_served_with_its_pages(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


def test_every_operation_says_what_it_answers(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            for status, answer in operation["responses"].items():
                if status >= "400":
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, where
            if operation.get("security"):
                assert {"401", "403"} <= set(operation["responses"]), where
            if "requestBody" in operation:
                assert {"413", "415", "422"} <= set(operation["responses"]), where
            if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
                needed = {"404", "412"} if path.startswith("/api/v1/cart") else {"404", "412", "428"}
                assert needed <= set(operation["responses"]), where


def test_operations_have_names_of_their_own(app: FastAPI) -> None:
    names = [one["operationId"] for path in app.openapi()["paths"].values() for one in path.values()]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
