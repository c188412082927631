"""A replica that finds no primary: it starts, says that it is ready, and answers in time."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app import clock
from app.main import create_app
from app.security import Role, issue_access_token, new_principal
from app.settings import Settings
from tests.api.test_problems import assert_problem
from tests.factories.books import API, book_body

# The discard port: nobody listens there.
NOWHERE = "mongodb://127.0.0.1:9/?replicaSet=bookstore"


@pytest.fixture(scope="module")
async def lonely(settings: Settings) -> AsyncIterator[FastAPI]:
    started = clock.monotonic()
    app = create_app(settings.model_copy(update={"mongo_url": SecretStr(NOWHERE)}))
    async with app.router.lifespan_context(app):
        assert clock.monotonic() - started < 5
        yield app


@pytest.fixture
async def alone(lonely: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    token = issue_access_token(settings, new_principal(Role.STAFF))
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(lonely)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
        yield client


async def test_it_is_ready_and_says_what_is_down(alone: httpx.AsyncClient) -> None:
    assert (await alone.get("/readyz")).status_code == 200
    assert (await alone.get("/healthz")).status_code == 200
    status = await alone.get(f"{API}/status")
    assert status.status_code == 200
    states = {one["name"]: one["state"] for one in status.json()["dependencies"]}
    assert states["mongodb"] == "down"


async def test_everything_else_asks_to_be_sent_again(alone: httpx.AsyncClient, settings: Settings) -> None:
    started = clock.monotonic()

    answers = await asyncio.gather(
        alone.post(f"{API}/books", json=book_body()),
        alone.post(f"{API}/books", json=book_body(), headers={"Idempotency-Key": "k"}),
        alone.patch(f"{API}/books/bk_1", json={}, headers={"If-Match": "*"}),
        alone.delete(f"{API}/categories/fiction", headers={"If-Match": "*"}),
        alone.patch(f"{API}/inventory/bk_1", json={"delta": 1, "reason": "r"}),
        alone.get(f"{API}/books/bk_01J00000000000000000000000"),
        alone.get(f"{API}/books"),
        alone.get(f"{API}/books/search?q=dune"),
        alone.get(f"{API}/books/suggest?q=dune"),
        alone.get(f"{API}/categories"),
        alone.get(f"{API}/inventory/low-stock"),
    )

    for answer in answers:
        assert_problem(answer, 503, "no_primary")
    assert clock.monotonic() - started < settings.request_deadline_seconds


async def test_what_needs_no_database_is_refused_at_once(alone: httpx.AsyncClient) -> None:
    async with asyncio.timeout(1):
        assert_problem(await alone.post(f"{API}/books", json={}), 422, "validation_error")
        assert_problem(await alone.get(f"{API}/books?cursor=x"), 400, "cursor_invalid")
        assert_problem(await alone.put(f"{API}/books", json={}), 405, "method_not_allowed")
