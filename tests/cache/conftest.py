"""Gives cache tests a Redis database of their own."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.cache.shared import SharedStore
from app.settings import Settings


@pytest.fixture
async def shared(settings: Settings) -> AsyncIterator[SharedStore]:
    """The shared level, over an empty Redis database that no watcher looks after."""
    url = settings.cache_url.get_secret_value().removesuffix("/1") + "/2"
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    store = SharedStore(url)
    yield store
    await store.aclose()
