"""What the hot routes answer is what the documented ones would."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.routers.hot import HotReads
from tests.factories.books import a_book


@pytest.fixture
async def book(staff: httpx.AsyncClient) -> dict[str, Any]:
    return await a_book(staff, isbn13="9780441478125")


async def _asked_both_ways(app: FastAPI, client: httpx.AsyncClient, path: str) -> tuple[httpx.Response, httpx.Response]:
    hot = await client.get(path)
    routes = app.router.routes
    assert isinstance(routes[0], HotReads)
    shortcut = routes.pop(0)
    try:
        return hot, await client.get(path)
    finally:
        routes.insert(0, shortcut)


def _told(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    passing = {"x-request-id", "cache-status"}
    body = answer.json()
    body.pop("request_id", None)
    return answer.status_code, body, {name: value for name, value in answer.headers.items() if name not in passing}


@pytest.mark.parametrize(
    "path",
    [
        "/books/{id}", "/books/9780441478125", "/books/978-0-441-47812-5", "/books/bk_01J00000000000000000000000",
        "/books/{id}/", "/books/9780441478126", "/books", "/books?limit=1", "/books?limit=0",
        "/books/search?q=darkness", "/books/search", "/books/suggest?q=left", "/categories",
        "/categories?limit=0",
    ],
)  # fmt: skip
async def test_hot_and_documented_routes_say_the_same(
    app: FastAPI, client: httpx.AsyncClient, book: dict[str, Any], path: str
) -> None:
    # when
    hot, documented = await _asked_both_ways(app, client, f"/api/v1{path.format(id=book['id'])}")

    # then
    assert _told(hot) == _told(documented)


async def test_hot_reads_are_counted_under_the_documented_routes(
    client: httpx.AsyncClient, book: dict[str, Any]
) -> None:
    # given
    def count(metrics: str) -> dict[str, float]:
        lines = [line for line in metrics.splitlines() if line.startswith("bookstore_requests_total{")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    before = count((await client.get("/metrics")).text)

    # when
    for path in (f"/books/{book['id']}", "/books?limit=3", "/books?limit=3"):
        await client.get(f"/api/v1{path}")

    # then
    after = count((await client.get("/metrics")).text)
    grown = {name: value - before.get(name, 0) for name, value in after.items() if "/books" in name}
    assert {name: by for name, by in grown.items() if by} == {
        'bookstore_requests_total{method="GET",route="/books/{book_id}",status="200"}': 1,
        'bookstore_requests_total{method="GET",route="/books",status="200"}': 2,
    }
