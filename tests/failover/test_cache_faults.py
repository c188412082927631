from functools import partial

import pytest

from stack.load.ordeals import SPOIL_THE_CACHE
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly


@pytest.mark.parametrize("how", list(SPOIL_THE_CACHE))
async def test_the_shared_cache_may_vanish_at_any_time(system: Stack, rate: float, tell: Told, how: str) -> None:
    # when
    run = await run_calmly(system, SPOIL_THE_CACHE[how], rate=rate, tell=partial(tell, f"the cache is {how}"))

    # then
    assert failed_requests(run) == []
