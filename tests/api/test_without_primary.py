"""A replica that finds no primary: it starts, says that it is ready, and answers in time."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app import clock
from app.ids import SESSION, USER, SessionId, UserId, new_id
from app.security import Principal, Role, issue_access_token
from app.settings import Settings
from tests.api.test_problems import assert_problem
from tests.factories.books import API, book_body
from tests.factories.ports import free_port
from tests.security.said import lines_of

# The discard port: nobody listens there.
NOWHERE = "mongodb://127.0.0.1:9/?replicaSet=bookstore"

START_SECONDS = 60


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lonely") / "log"


@pytest.fixture(scope="module")
async def address(log: Path) -> AsyncIterator[str]:
    # A process of its own: the document models of one process are bound to one database.
    port = str(free_port())
    with log.open("wb") as said:
        replica = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--port", port, "--no-access-log"),
            env=os.environ | {"BOOKSTORE_MONGO_URL": NOWHERE, "BOOKSTORE_PROCESS_NAME": "lonely"},
            stdout=said,
        )
    try:
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"http://127.0.0.1:{port}/healthz")
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                else:
                    break
        yield f"http://127.0.0.1:{port}"
        replica.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(replica.wait(), START_SECONDS) in {0, -signal.SIGTERM}
    finally:
        if replica.returncode is None:
            replica.kill()
            await replica.wait()


@pytest.fixture
async def alone(address: str, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    # Nobody can look the session up: neither Redis nor MongoDB knows it.
    somebody = Principal(UserId(new_id(USER)), SessionId(new_id(SESSION)), Role.STAFF)
    token = issue_access_token(settings, somebody)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
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
    async with asyncio.timeout(4):
        assert_problem(await alone.post(f"{API}/auth/login", json={}), 422, "validation_error")
        assert_problem(await alone.get(f"{API}/books?cursor=x"), 400, "cursor_invalid")
        assert_problem(await alone.put(f"{API}/books", json={}), 405, "method_not_allowed")


async def test_a_read_that_fails_is_logged_with_all_that_was_said_meanwhile(
    alone: httpx.AsyncClient, log: Path
) -> None:
    answer = await alone.get(f"{API}/books?author=ada@example.com", headers={"X-Request-ID": "failing-read"})

    assert_problem(answer, 503, "no_primary")
    said = await lines_of("failing-read", log)
    assert {"database error", "answered"} <= {one["message"] for one in said}
    [line] = [one for one in said if one["message"] == "answered"]
    assert (line["level"], line["method"], line["path"], line["status"]) == ("ERROR", "GET", f"{API}/books", 503)
    assert "ada" not in str(said)
