"""Gives tests the real parts: `./bookstore test` started them and names them in the environment."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect
from redis.asyncio import Redis

from app.lifespan import Resources
from app.main import create_app
from app.migrate import migrate
from app.models import DOCUMENTS
from app.security import Role
from app.services.accounts import open_session_for
from app.settings import Settings
from tests.factories.own_redis import OwnRedis
from tests.security.leaks import kept_secrets, leaks


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The stack's settings, with a database of the tests' own."""
    if "BOOKSTORE_MONGO_URL" not in os.environ:
        pytest.exit("These tests need the real parts; run them with: ./bookstore test", returncode=2)
    given = Settings()
    # Databases of the tests' own, in the same servers: the stack's replicas and their watcher mind other ones.
    own = {
        name: SecretStr(getattr(given, name).get_secret_value().removesuffix("/0") + "/1")
        for name in ("cache_url", "broker_url")
    }
    return given.model_copy(update={"mongo_database": "bookstore_test", "process_name": "tests", **own})


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The whole application, opened as in production."""
    await migrate(settings)
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def shop(app: FastAPI) -> Resources:
    """The application's resources, over an empty database."""
    resources: Resources = app.state.resources
    database = resources.database.database
    await asyncio.gather(*(_empty(database[str(document.get_settings().name)]) for document in DOCUMENTS))
    async with Redis.from_url(resources.settings.broker_url.get_secret_value()) as limits:
        await limits.flushdb()
    resources.desk.limits._here.clear()
    return resources


async def _empty(collection: AsyncCollection[dict[str, Any]]) -> None:
    # A test before may have killed the primary; the driver doesn't repeat a deletion of many by itself.
    async with asyncio.timeout(60):
        while True:
            try:
                await collection.delete_many({})
            except AutoReconnect:
                await asyncio.sleep(0.2)
            else:
                return


@pytest.fixture
async def client(app: FastAPI, shop: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """An anonymous client."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as anonymous:
        yield anonymous


@asynccontextmanager
async def client_of(app: FastAPI, shop: Resources, role: Role) -> AsyncIterator[httpx.AsyncClient]:
    """A client of somebody new with this role."""
    tokens = await open_session_for(shop.desk, role)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://shop",
        headers={"Authorization": f"Bearer {tokens.access_token}"},
    ) as client:
        yield client


@pytest.fixture
async def customer(app: FastAPI, shop: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client of somebody who buys."""
    async with client_of(app, shop, Role.CUSTOMER) as client:
        yield client


@pytest.fixture
async def other_customer(app: FastAPI, shop: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client of somebody else who buys."""
    async with client_of(app, shop, Role.CUSTOMER) as client:
        yield client


@pytest.fixture
async def staff(app: FastAPI, shop: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client of somebody who works in the shop."""
    async with client_of(app, shop, Role.STAFF) as client:
        yield client


@pytest.fixture
async def admin(app: FastAPI, shop: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client of somebody who says who works in the shop."""
    async with client_of(app, shop, Role.ADMIN) as client:
        yield client


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look through all that the suite's system has logged."""
    folder = os.environ.get("BOOKSTORE_STATE_PROFILE")
    if folder is None:
        return
    found = list(leaks(Path(folder) / "logs", kept_secrets(Path(folder).parent)))
    for sentence in found:
        print(f"\nA secret was logged: {sentence}")
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    redis = OwnRedis(tmp_path)
    await redis.start()
    yield redis
    await redis.kill()
