import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import redis.asyncio

from stack.faults import Fault
from stack.load.run import Course
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly

CACHE = "redis-cache"


async def kill_it(course: Course) -> None:
    await course.fault(Fault.KILL, CACHE)
    await asyncio.sleep(5)
    await course.fault(Fault.RESTART, CACHE)


async def hang_it(course: Course) -> None:
    await course.fault(Fault.STOP, CACHE)
    await asyncio.sleep(5)
    await course.fault(Fault.CONT, CACHE)


async def restart_it(course: Course) -> None:
    await course.fault(Fault.RESTART, CACHE)


async def flush_it(course: Course) -> None:
    async with redis.asyncio.Redis(port=course.stack.profile.ports.redis_cache) as cache:
        for _ in range(5):
            await cache.flushall()
            course.note("flush", "FLUSHALL")
            await asyncio.sleep(1)


@pytest.mark.parametrize("spoil", [kill_it, hang_it, restart_it, flush_it])
async def test_the_shared_cache_may_vanish_at_any_time(
    system: Stack, rate: float, tell: Told, spoil: Callable[[Course], Awaitable[None]]
) -> None:
    # given
    async def spoil_the_cache(course: Course) -> None:
        await course.until(3)
        await spoil(course)
        await asyncio.sleep(5)

    # when
    run = await run_calmly(system, spoil_the_cache, rate=rate, tell=partial(tell, spoil.__name__))

    # then
    assert failed_requests(run) == []
