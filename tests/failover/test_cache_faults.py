from functools import partial

import pytest

from stack.load.ordeals import SPOIL_THE_CACHE, lose_the_primary_without_a_cache
from stack.load.run import run_under_load
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import assert_promises_kept, failed_requests, run_calmly


@pytest.mark.parametrize("how", list(SPOIL_THE_CACHE))
async def test_the_shared_cache_may_vanish_at_any_time(system: Stack, rate: float, tell: Told, how: str) -> None:
    # when
    run = await run_calmly(system, SPOIL_THE_CACHE[how], rate=rate, tell=partial(tell, f"the cache is {how}"))

    # then
    assert failed_requests(run) == []


async def test_the_primary_may_die_while_there_is_no_cache(system: Stack, rate: float, tell: Told) -> None:
    # when
    run = await run_under_load(system, lose_the_primary_without_a_cache, rate=rate)
    tell("no cache, and the primary is killed", run)

    # then: with a primary so late that answers run out of time, repeats find out
    assert_promises_kept(run)
