from functools import partial

import pytest

from stack.faults import Fault
from stack.load.ordeals import lose
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly


@pytest.mark.parametrize("blow", [Fault.KILL, Fault.STOP])
async def test_nobody_notices_a_lost_secondary(system: Stack, rate: float, tell: Told, blow: Fault) -> None:
    # when
    script = lose("secondary", blow)
    run = await run_calmly(system, script, rate=rate, tell=partial(tell, f"{blow.value} a secondary"))

    # then
    assert failed_requests(run) == []
