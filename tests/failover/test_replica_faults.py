import asyncio
from functools import partial

import pytest

from stack.faults import Fault
from stack.load.history import Kind
from stack.load.run import Course
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_reads, run_calmly

# A transaction of a dead process ends after 5 s, within 8 as promised; thrice that on a busy machine.
LOCKED_SECONDS = 24.0


@pytest.mark.parametrize(("blow", "cure"), [(Fault.KILL, Fault.RESTART), (Fault.STOP, Fault.CONT)])
async def test_a_lost_replica_fails_no_read_and_doubles_no_write(
    system: Stack, rate: float, tell: Told, blow: Fault, cure: Fault
) -> None:
    # given
    async def lose_a_replica(course: Course) -> None:
        await course.until(4)
        await course.fault(blow, "api-2")
        try:
            await asyncio.sleep(8)
        finally:
            await course.fault(cure, "api-2")
        await asyncio.sleep(4)

    # when
    run = await run_calmly(system, lose_a_replica, rate=rate, tell=partial(tell, f"{blow.value} an API replica"))

    # then
    assert failed_reads(run) == []
    assert run.history.longest_gap({Kind.STOCK}, begin=0, end=run.seconds).seconds < LOCKED_SECONDS
