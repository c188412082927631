import asyncio

import pytest
from prometheus_client import REGISTRY

from app.cache.edge import Edge
from app.cache.invalidation import Invalidator
from app.cache.reading import Answered, CachedReads, Miss, Rendered
from app.cache.shared import Look, SharedStore
from app.clock import now
from app.database import Database
from app.lifespan import Resources
from app.settings import Settings
from tests.factories.own_redis import OwnRedis
from tests.factories.watching import fill

RENDERED = Rendered(b"{}", '"etag"', {})
NAMES = frozenset({"bk_1"})


class Shelf:
    """Builds answers that say what the shelf holds when they are begun, and lands them when told."""

    def __init__(self) -> None:
        self.holds = b"old"
        self.begun = 0
        self.reading = asyncio.Event()
        self.land = asyncio.Event()

    async def __call__(self) -> Rendered:
        self.begun += 1
        body = self.holds
        self.reading.set()
        await self.land.wait()
        return Rendered(body, '"etag"', {})


async def _missed(reads: CachedReads) -> Miss:
    miss = await reads.kept("bk_1", "v")
    assert isinstance(miss, Miss)
    assert miss.token is not None
    return miss


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _counted() -> dict[str, float]:
    wanted = {
        "shared": ("answers_total", {"level": "shared"}),
        "database": ("answers_total", {"level": "database"}),
        "stored": ("fills_total", {"outcome": "stored"}),
        "refused": ("fills_total", {"outcome": "refused"}),
        "unreachable": ("fills_total", {"outcome": "unreachable"}),
        "written": ("invalidations_total", {"cause": "write"}),
        "waits": ("writer_wait_seconds_count", {}),
    }
    return {
        key: REGISTRY.get_sample_value(f"bookstore_cache_{name}", labels) or 0 for key, (name, labels) in wanted.items()
    }


async def test_what_the_cache_does_is_counted(own_redis: OwnRedis, shop: Resources) -> None:
    store = SharedStore(own_redis.url, patience=5)
    reads, invalidator = CachedReads(store, database=shop.database), Invalidator(shared=store, edges=[])

    async def build() -> Rendered:
        return RENDERED

    async def build_during_a_write() -> Rendered:
        await invalidator.touch(NAMES)
        return RENDERED

    async def build_while_redis_dies() -> Rendered:
        await own_redis.kill()
        return RENDERED

    await store.believe(until=now().replace(year=2999))
    before = _counted()

    for building in (build_during_a_write, build):
        miss = await reads.kept("bk_1", "v")
        assert isinstance(miss, Miss)
        await reads.fill(miss, building)
    assert isinstance(await reads.kept("bk_1", "v"), Answered)
    miss = await reads.kept("bk_2", "v")
    assert isinstance(miss, Miss)
    await reads.fill(miss, build_while_redis_dies)

    after = _counted()
    assert {key: after[key] - before[key] for key in after} == {
        "shared": 1,
        "database": 3,
        "stored": 1,
        "refused": 1,
        "unreachable": 1,
        "written": 1,
        "waits": 1,
    }
    await store.aclose()


async def test_a_wait_that_a_deadline_cuts_off_is_counted(shared: SharedStore) -> None:
    invalidator = Invalidator(shared=shared, edges=[Edge("/nobody/listens/here")])
    before = _counted()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await invalidator.touch(NAMES)

    assert _counted()["waits"] - before["waits"] == 1


async def test_without_a_primary_a_redis_that_failed_this_replica_is_not_believed(
    own_redis: OwnRedis, settings: Settings
) -> None:
    store = SharedStore(own_redis.url, patience=1)
    reads = CachedReads(store, database=Database(settings))  # never opened: it knows no primary
    await fill(store, "bk_1", RENDERED.packed())
    assert isinstance(await reads.kept("bk_1", "v"), Answered)

    own_redis.hang()
    assert await store.look("bk_2", "v") == Look()
    own_redis.resume()
    store._breaker.succeeded()

    assert (await store.look("bk_1", "v")).answer == RENDERED.packed()
    assert isinstance(await reads.kept("bk_1", "v"), Miss)
    await store.aclose()


async def test_while_nobody_vouches_for_redis_a_run_from_before_a_write_is_not_joined(
    own_redis: OwnRedis, shop: Resources
) -> None:
    # given: a reader, and a writer whose process lost Redis a moment ago
    store, cut_off, shelf = SharedStore(own_redis.url, patience=5), SharedStore(own_redis.url), Shelf()
    reads = CachedReads(store, database=shop.database)
    cut_off._breaker.failed()
    before = await _missed(reads)
    first = asyncio.create_task(reads.fill(before, shelf))
    await shelf.reading.wait()

    # when: it writes, finds nobody who believes Redis, or waits until there is nobody, and answers
    shelf.holds = b"new"
    cut_off._breaker.failed()
    await Invalidator(shared=cut_off, edges=[]).touch(NAMES)
    after = await _missed(reads)
    second = asyncio.create_task(reads.fill(after, shelf))
    await _settle()
    shelf.land.set()

    # then
    assert after.token == before.token
    assert [(await filling).rendered.body for filling in (first, second)] == [b"old", b"new"]
    for one in (store, cut_off):
        await one.aclose()


async def test_while_redis_is_vouched_for_the_same_token_joins_the_run(own_redis: OwnRedis, shop: Resources) -> None:
    store, shelf = SharedStore(own_redis.url, patience=5), Shelf()
    reads = CachedReads(store, database=shop.database)
    unvouched = await _missed(reads)
    await store.believe(until=now().replace(year=2999))

    fillings = [asyncio.create_task(reads.fill(miss, shelf)) for miss in (unvouched, await _missed(reads))]
    await _settle()
    shelf.land.set()

    assert [(await filling).rendered.body for filling in fillings] == [b"old", b"old"]
    assert shelf.begun == 1
    await store.aclose()
