import asyncio
from datetime import timedelta

import pytest

from app import clock
from app.cache import shared as shared_module
from app.cache.shared import SharedStore
from app.cache.tags import EVERYTHING, together
from tests.factories.own_redis import OwnRedis

A_WHILE = timedelta(seconds=60)


async def test_an_answer_is_filled_once_and_then_given_to_all(shared: SharedStore) -> None:
    await shared.believe(until=clock.now() + A_WHILE)
    first = await shared.look("bk_1", "/books/bk_1")
    assert first.token is not None

    stored = await shared.fill("bk_1", "/books/bk_1", token=first.token, answer=b"ten dollars")

    assert stored
    assert (await shared.look("bk_1", "/books/bk_1")).answer == b"ten dollars"
    assert (await shared.look("bk_1", "gzip /books/bk_1")).answer is None


async def test_a_slow_fill_that_began_before_an_invalidation_is_refused(shared: SharedStore) -> None:
    await shared.believe(until=clock.now() + A_WHILE)
    slow = await shared.look("bk_1", "v")
    assert slow.token is not None

    await shared.forget(frozenset({"bk_1"}))
    after = await shared.look("bk_1", "v")
    stored = await shared.fill("bk_1", "v", token=slow.token, answer=b"the old price")

    assert not stored
    assert after.token not in (None, slow.token)
    assert (await shared.look("bk_1", "v")).answer is None


async def test_a_fill_that_began_before_a_flush_is_refused(shared: SharedStore) -> None:
    slow = await shared.look("bk_1", "v")
    assert slow.token is not None

    await shared.forget(frozenset({EVERYTHING}))

    assert not await shared.fill("bk_1", "v", token=slow.token, answer=b"the old price")


async def test_a_full_family_keeps_what_comes_last(shared: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "_MAX_ANSWERS_PER_NAME", 10)
    await shared.believe(until=clock.now() + A_WHILE)
    token = (await shared.look("search", "0")).token
    assert token is not None

    filled = [await shared.fill("search", str(n), token=token, answer=b"found") for n in range(100)]

    kept = [(await shared.look("search", str(n))).answer for n in range(100)]
    assert 9 <= sum(answer is not None for answer in kept) <= 11
    assert filled.count(True) >= 60  # but for those that met the token, one in eleven


async def test_thousands_of_sessions_are_forgotten_at_once_and_the_catalogue_is_kept(shared: SharedStore) -> None:
    ended = {f"session:{number}" for number in range(10_000)}
    await shared.believe(until=clock.now() + A_WHILE)
    for name in ("bk_1", "session:7"):
        token = (await shared.look(name, "v")).token
        assert token is not None
        await shared.fill(name, "v", token=token, answer=b"known")
    hearing = shared.forgotten()
    assert await anext(hearing) == {EVERYTHING}

    assert await shared.forget(together(frozenset(ended)))

    assert await anext(hearing) == ended
    assert (await shared.look("session:7", "v")).answer is None
    assert (await shared.look("bk_1", "v")).answer == b"known"
    await hearing.aclose()  # type: ignore[attr-defined]  # a generator


async def test_what_nobody_vouches_for_is_not_believed(shared: SharedStore) -> None:
    token = (await shared.look("bk_1", "v")).token
    assert token is not None
    await shared.fill("bk_1", "v", token=token, answer=b"old?")

    unvouched = await shared.look("bk_1", "v")
    await shared.believe(until=clock.now() + A_WHILE)
    vouched = await shared.look("bk_1", "v")
    await shared.believe(until=clock.now() - timedelta(seconds=1))
    run_out = await shared.look("bk_1", "v")

    assert [look.believed for look in (unvouched, vouched, run_out)] == [False, True, False]


async def test_a_hung_redis_is_a_miss_within_its_time_outs_and_then_at_once(own_redis: OwnRedis) -> None:
    store = SharedStore(own_redis.url)
    await store.look("bk_1", "v")
    own_redis.hang()
    began = clock.monotonic()

    looks = [await store.look("bk_1", "v") for _ in range(200)]

    # One look waits for the socket's 0.15 s; the breaker spares the others, but for one in each half second.
    took = clock.monotonic() - began
    assert {look.answer for look in looks} == {look.token for look in looks} == {None}
    assert took < 200 * 0.15
    assert not await store.forget(frozenset({"bk_1"}))
    own_redis.resume()
    await store.aclose()


async def test_a_grant_that_a_hung_redis_hears_late_counts_for_nothing(own_redis: OwnRedis) -> None:
    store = SharedStore(own_redis.url)
    token = (await store.look("bk_1", "v")).token
    assert token is not None
    await store.fill("bk_1", "v", token=token, answer=b"the old price")
    own_redis.hang()

    until = clock.now() + timedelta(seconds=0.3)
    assert not await store.believe(until=until)
    while clock.now() <= until:
        await asyncio.sleep(0.05)
    own_redis.resume()

    fresh = SharedStore(own_redis.url)
    async with asyncio.timeout(60):
        while (look := await fresh.look("bk_1", "v")).answer is None:
            await asyncio.sleep(0.05)
    assert look.believed is False
    await fresh.aclose()
    await store.aclose()


async def test_a_restarted_redis_is_used_again_and_refuses_fills_from_before(own_redis: OwnRedis) -> None:
    store = SharedStore(own_redis.url)
    before = (await store.look("bk_1", "v")).token
    assert before is not None

    await own_redis.kill()
    gone = await store.look("bk_1", "v")
    await own_redis.start()
    async with asyncio.timeout(60):
        while (back := await store.look("bk_1", "v")).token is None:
            await asyncio.sleep(0.05)

    assert gone.token is None
    assert back.token != before
    assert not await store.fill("bk_1", "v", token=before, answer=b"the old price")
    await store.aclose()
