import asyncio
from functools import partial

import pytest

from stack.faults import Fault
from stack.load.run import Course
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly


@pytest.mark.parametrize(("blow", "cure"), [(Fault.KILL, Fault.RESTART), (Fault.STOP, Fault.CONT)])
async def test_nobody_notices_a_lost_secondary(
    system: Stack, rate: float, tell: Told, blow: Fault, cure: Fault
) -> None:
    # given
    async def lose_a_secondary(course: Course) -> None:
        await course.until(4)
        name = await course.fault(blow, "secondary")
        try:
            await asyncio.sleep(8)
        finally:
            await course.fault(cure, name)
        await asyncio.sleep(3)

    # when
    run = await run_calmly(system, lose_a_secondary, rate=rate, tell=partial(tell, f"{blow.value} a secondary"))

    # then
    assert failed_requests(run) == []
