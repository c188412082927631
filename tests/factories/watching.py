"""Runs a watcher of a test's own, and waits for what it does."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from app import clock
from app.cache.invalidation import Invalidator
from app.cache.shared import KEPT_SECONDS, SharedStore
from app.cache.watcher import Watcher
from app.database import Database
from app.lifespan import end_tasks
from app.models.cache_grant import CacheGrant


@asynccontextmanager
async def watching(
    invalidator: Invalidator, store: SharedStore, database: AsyncDatabase[dict[str, Any]]
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a watcher of one's own; the application's own watcher makes room."""
    watcher = Watcher(name="tests-own", database=database, shared=store, invalidator=invalidator)
    grants = CacheGrant.get_pymongo_collection()
    taken = {"holder": watcher._holder, "held_until": clock.now() + timedelta(seconds=30)}
    await grants.update_one({"_id": "shared-cache"}, {"$set": taken}, upsert=True)
    task = asyncio.create_task(watcher.run())
    try:
        yield task
    finally:
        await end_tasks([task])
        await grants.delete_many({})


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it, not so long that what Redis keeps runs out by itself."""
    async with asyncio.timeout(KEPT_SECONDS / 2):
        while not await condition():
            await asyncio.sleep(0.02)


async def believed(store: SharedStore) -> bool:
    look = await store.look("probe", "v")
    if look.token is not None:
        await store.fill("probe", "v", token=look.token, answer=b"")
        look = await store.look("probe", "v")
    return look.believed


async def fill(store: SharedStore, name: str, answer: bytes) -> None:
    """Have an answer stored; where something is forgotten between its token and it, once more."""

    async def stored() -> bool:
        token = (await store.look(name, "v")).token
        return token is not None and bool(await store.fill(name, "v", token=token, answer=answer))

    await until(stored)


async def gone(store: SharedStore, name: str) -> bool:
    return (await store.look(name, "v")).answer is None


async def seen_everything(store: SharedStore, database: Database) -> None:
    """Return when the watcher is done with all that happened before."""
    await database.database["books"].update_one({"_id": "bk_later"}, {"$set": {"n": secrets.token_hex(4)}}, upsert=True)
    await until(lambda: gone(store, "bk_later"))
