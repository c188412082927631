import asyncio
import os
from functools import partial

from stack.load.run import Course
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly

# The long run: BOOKSTORE_ROLLING_REQUESTS=20000 BOOKSTORE_FAILOVER_RATE=400
REQUESTS = int(os.environ.get("BOOKSTORE_ROLLING_REQUESTS", "1500"))


async def test_a_rolling_restart_fails_no_request(system: Stack, rate: float, tell: Told) -> None:
    # given
    async def restart_one_by_one(course: Course) -> None:
        await course.until(2)
        while True:
            for replica in await asyncio.to_thread(system.replicas):
                course.note("restart", f"{replica} is restarted")
                await asyncio.to_thread(system.restart_gently, replica)
            if len(course.traffic.history.samples) > REQUESTS:
                return

    # when
    run = await run_calmly(system, restart_one_by_one, rate=rate, tell=partial(tell, "rolling restart"))

    # then
    assert len(run.history.samples) > REQUESTS
    assert failed_requests(run) == []
