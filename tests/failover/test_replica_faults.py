from functools import partial

import pytest

from stack.faults import Fault
from stack.load.history import Kind
from stack.load.ordeals import lose
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_reads, run_calmly

# A transaction of a dead process ends after 5 s, within 8 as promised; thrice that on a busy machine.
LOCKED_SECONDS = 24.0


@pytest.mark.parametrize("blow", [Fault.KILL, Fault.STOP])
async def test_a_lost_replica_fails_no_read_and_doubles_no_write(
    system: Stack, rate: float, tell: Told, blow: Fault
) -> None:
    # when
    script = lose("api-2", blow)
    run = await run_calmly(system, script, rate=rate, tell=partial(tell, f"{blow.value} an API replica"))

    # then
    assert failed_reads(run) == []
    assert run.history.longest_gap({Kind.STOCK}, begin=0, end=run.seconds).seconds < LOCKED_SECONDS
