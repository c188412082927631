"""What a watcher lives through: events that can't be read, streams that end, edges that don't confirm."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from app.cache import watcher
from app.cache.edge import Edge
from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.cache.watcher import Watcher
from app.database import Database
from app.lifespan import Resources
from app.models.cache_grant import CacheGrant
from tests.factories.own_mongod import forget_history, forgetful_mongod
from tests.factories.own_redis import OwnRedis
from tests.factories.watching import believed, fill, gone, seen_everything, until, watching

_POSITION_LOST, _HISTORY_LOST = 136, 286


async def test_an_event_that_cannot_be_read_does_not_end_the_watching(prepared: tuple[SharedStore, Database]) -> None:
    store, database = prepared
    in_the_year_10000 = DatetimeMS(253_402_300_800_000)

    await database.database["books"].update_one({"_id": "bk_1"}, {"$set": {"published_at": in_the_year_10000}})
    await until(lambda: gone(store, "bk_later"))

    await until(lambda: believed(store))
    await fill(store, "bk_later", b"old")
    await seen_everything(store, database)


async def test_a_watcher_whose_database_is_dropped_sees_what_is_written_there_later(
    own_redis: OwnRedis, shop: Resources
) -> None:
    # Only who migrates may drop; this database is made anew by whoever uses it.
    store = SharedStore(own_redis.url)
    async with AsyncMongoClient[dict[str, Any]](shop.settings.mongo_migrate_url.get_secret_value()) as migrating:
        dropped = migrating["bookstore_race"]
        await dropped["books"].insert_one({"_id": "bk_1"})
        async with watching(Invalidator(shared=store, edges=[]), store, dropped):
            await fill(store, "bk_1", b"old")
            await until(lambda: gone(store, "bk_1"))
            await migrating.drop_database(dropped)
            await fill(store, "bk_1", b"old")
            await until(lambda: gone(store, "bk_1"))

            await fill(store, "bk_1", b"old")
            await dropped["books"].insert_one({"_id": "bk_1"})

            await until(lambda: gone(store, "bk_1"))
        await migrating.drop_database(dropped)
    await store.aclose()


async def test_an_edge_that_did_not_confirm_a_write_from_outside_is_told_again(
    own_redis: OwnRedis, shop: Resources, tmp_path: Path
) -> None:
    store, database = SharedStore(own_redis.url), shop.database.database
    said: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        of_the_book = "key bk_1 " in line
        if of_the_book:
            said.append(line)
        # The first time that it hears of the book it confirms nothing.
        if not of_the_book or len(said) > 1:
            writer.write(b"\n" * line.count("set table") + b"Stopping: 0\nUptime_sec: 60\n")
        writer.close()

    async with (
        await asyncio.start_unix_server(answer, tmp_path / "edge"),
        watching(Invalidator(shared=store, edges=[Edge(str(tmp_path / "edge"))]), store, database),
    ):
        await until(lambda: believed(store))

        await database["books"].insert_one({"_id": "bk_1"})

        async with asyncio.timeout(60):
            while len(said) < 2:
                await asyncio.sleep(0.02)
    await store.aclose()


async def test_what_changed_while_nobody_watched_is_not_believed_again(own_redis: OwnRedis, shop: Resources) -> None:
    store, database = SharedStore(own_redis.url), shop.database.database
    await database["books"].insert_one({"_id": "bk_1"})
    async with watching(Invalidator(shared=store, edges=[]), store, database):
        await until(lambda: believed(store))
        await fill(store, "bk_1", b"old")

    async def lapsed() -> bool:
        return not (await store.look("bk_1", "v")).believed

    await until(lapsed)
    await database["books"].update_one({"_id": "bk_1"}, {"$set": {"price": {"amount": 11}}})

    async with watching(Invalidator(shared=store, edges=[]), store, database):
        await until(lambda: believed(store))
        assert (await store.look("bk_1", "v")).answer is None
    await store.aclose()


async def test_a_watcher_that_fails_while_it_is_cancelled_ends(
    shared: SharedStore, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: what raises when it is cancelled, as a driver in the middle of something does
    under_way = asyncio.Event()

    async def stubborn() -> None:
        try:
            under_way.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError

    async def watch(_: Watcher) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stubborn())
            await asyncio.Event().wait()

    async def hold(_: Watcher) -> bool:
        return True

    monkeypatch.setattr(Watcher, "_watch", watch)
    monkeypatch.setattr(Watcher, "_hold", hold)
    watcher = Watcher(
        name="own", database=shop.database.database, shared=shared, invalidator=Invalidator(shared=shared, edges=[])
    )
    running = asyncio.create_task(watcher.run())
    await under_way.wait()

    # when
    running.cancel()
    _, left = await asyncio.wait([running], timeout=5)

    # then
    assert not left
    assert running.cancelled()


async def test_while_the_stream_lags_nobody_believes_redis(
    own_redis: OwnRedis, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a stream whose events come when we say so
    flows = asyncio.Event()
    intact = watcher._read

    async def read(stream: Any, events: asyncio.Queue[dict[str, Any]]) -> None:
        arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def pass_on() -> None:
            while True:
                event = await arrived.get()
                await flows.wait()
                await events.put(event)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(intact(stream, arrived))
            tasks.create_task(pass_on())

    monkeypatch.setattr(watcher, "_read", read)
    store, database = SharedStore(own_redis.url), shop.database.database
    async with watching(Invalidator(shared=store, edges=[]), store, database):
        flows.set()
        await until(lambda: believed(store))
        await fill(store, "bk_1", b"old")

        # when
        flows.clear()
        await database["books"].update_one({"_id": "bk_1"}, {"$set": {"n": 1}}, upsert=True)

        # then: what was granted runs out, and no mark that lags behind the change grants anything more
        async def no_longer() -> bool:
            return not await believed(store)

        await until(no_longer)
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert not await believed(store)
        assert not await gone(store, "bk_1")
        flows.set()
        await until(lambda: believed(store))
        assert await gone(store, "bk_1")
    await store.aclose()


@pytest.mark.parametrize(("opened_anew", "hears"), [(False, _POSITION_LOST), (True, _HISTORY_LOST)])
async def test_history_that_is_lost_is_made_up_for(
    own_redis: OwnRedis,
    shop: Resources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    opened_anew: bool,
    hears: int,
) -> None:
    # given: a watcher that stands still for so long that the server forgets what it hasn't seen
    reads, behind, heard, cursors = asyncio.Event(), asyncio.Event(), list[int | None](), list[int]()
    intact = watcher._read

    async def read(stream: Any, events: asyncio.Queue[dict[str, Any]]) -> None:
        await stream.try_next()
        cursors.append(stream._cursor.cursor_id)
        behind.set()
        await reads.wait()
        try:
            await intact(stream, events)
        except OperationFailure as error:
            heard.append(error.code)
            raise

    monkeypatch.setattr(watcher, "_read", read)
    store = SharedStore(own_redis.url)
    async with (
        forgetful_mongod(tmp_path) as client,
        watching(Invalidator(shared=store, edges=[]), store, client["bookstore"]),
    ):
        await behind.wait()
        await _has_made_up()
        await fill(store, "bk_1", b"old")
        await client["bookstore"]["books"].insert_one({"_id": "bk_1"})
        await forget_history(client)
        if opened_anew:
            await client["bookstore"].command({"killCursors": "$cmd.aggregate", "cursors": cursors})
        assert not await gone(store, "bk_1")

        # when
        reads.set()

        # then
        await until(lambda: gone(store, "bk_1"))
        assert heard == [hears]
    await store.aclose()


async def _has_made_up() -> None:
    """Return when the watcher has made up for what came before it: it writes marks then, and not before."""
    grants = CacheGrant.get_pymongo_collection()

    async def mark() -> str | None:
        return ((await grants.find_one({})) or {}).get("mark")

    for _ in range(2):  # the first may be its predecessor's last
        before = await mark()

        async def changed(before: str | None = before) -> bool:
            return await mark() != before

        await until(changed)
