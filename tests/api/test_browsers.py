import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.lifespan import Resources
from app.main import create_app
from app.settings import Settings
from tests.factories.books import API, a_book

SHOP = "https://shop.example"
STRANGER = "https://stranger.example"


@pytest.fixture
async def open_to_pages(app: FastAPI, shop: Resources, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose settings allow an origin; it shares the resources of the other one."""
    allowing = create_app(settings.model_copy(update={"cors_origins": f"{SHOP}, https://other.example"}))
    allowing.state.resources = shop
    async with httpx.AsyncClient(transport=httpx.ASGITransport(allowing), base_url="http://shop") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/books", 200),
        ("GET", "/api/v1/status", 200),
        ("GET", "/api/v1/nowhere", 404),
        ("GET", "/api/v1/inventory/low-stock", 401),
        ("POST", "/api/v1/books/batch-get", 422),
        ("PUT", "/api/v1/status", 405),
        ("GET", "/healthz", 200),
    ],
)
async def test_every_answer_says_what_browsers_may_not(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, json=None if method == "GET" else {})

    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers


async def test_a_refused_body_has_them_too(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/books/batch-get", content=b"x" * 70_000)

    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/redoc", "/docs/errors"])
async def test_pages_may_load_what_they_need(client: httpx.AsyncClient, path: str) -> None:
    policy = (await client.get(path)).headers["content-security-policy"]

    assert "script-src 'self' 'unsafe-inline';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/redoc"])
async def test_pages_load_from_us_alone_what_they_need(client: httpx.AsyncClient, path: str) -> None:
    page = (await client.get(path)).text

    loaded = re.findall(r"""(?:src|href)=["']([^"'#]+)""", page)
    answers = {address: (await client.get(address)).status_code for address in loaded}
    assert any(address.endswith(".js") for address in loaded)
    assert answers == dict.fromkeys(loaded, 200)


async def test_without_allowed_origins_no_page_of_others_may_call(client: httpx.AsyncClient) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}

    preflight = await client.options("/api/v1/orders", headers=asked)
    answer = await client.get("/api/v1/books", headers={"Origin": SHOP})

    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_an_allowed_origin_may_call(open_to_pages: httpx.AsyncClient) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    preflight = await open_to_pages.options("/api/v1/orders", headers=asked)
    answer = await open_to_pages.get("/api/v1/status", headers={"Origin": SHOP})

    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", [STRANGER, "null", f"{SHOP}.evil.example", SHOP.upper(), "http://shop.example"])
async def test_a_strange_origin_may_not(open_to_pages: httpx.AsyncClient, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}

    preflight = await open_to_pages.options("/api/v1/orders", headers=asked)
    answer = await open_to_pages.get("/api/v1/status", headers={"Origin": origin})

    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_what_the_edge_keeps_is_the_same_for_every_origin(
    open_to_pages: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    book = await a_book(staff)

    answers = [
        await open_to_pages.get(f"{API}/books/{book['id']}", headers={"Origin": origin} if origin else {})
        for origin in (SHOP, STRANGER, None)
    ]

    assert [answer.headers["access-control-allow-origin"] for answer in answers] == ["*"] * 3
    assert ["Origin" in answer.headers["vary"] for answer in answers] == [False] * 3
