"""Gives cache tests a Redis database of their own."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.database import Database
from app.lifespan import Resources
from app.settings import Settings
from tests.factories.own_redis import OwnRedis
from tests.factories.watching import believed, fill, seen_everything, until, watching


@pytest.fixture
async def shared(settings: Settings) -> AsyncIterator[SharedStore]:
    """The shared level, over an empty Redis database that no watcher looks after."""
    url = settings.cache_url.get_secret_value().removesuffix("/1") + "/2"
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    store = SharedStore(url)
    yield store
    await store.aclose()


@pytest.fixture
async def watched(own_redis: OwnRedis, shop: Resources) -> AsyncIterator[tuple[SharedStore, Database]]:
    """A store with a watcher of its own over the tests' database."""
    store = SharedStore(own_redis.url)
    async with watching(Invalidator(shared=store, edges=[]), store, shop.database.database):
        yield store, shop.database
    await store.aclose()


@pytest.fixture
async def prepared(watched: tuple[SharedStore, Database]) -> tuple[SharedStore, Database]:
    """A store that is believed and holds answers, and a watcher that is done with what came before."""
    store, database = watched
    await database.database["books"].insert_many([{"_id": "bk_1"}, {"_id": "bk_later"}])
    await until(lambda: believed(store))
    await fill(store, "bk_later", b"old")
    await seen_everything(store, database)
    await fill(store, "bk_later", b"old")
    return store, database
