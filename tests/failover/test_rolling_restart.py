from functools import partial

from stack.load.ordeals import restart_replicas
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly

REQUESTS = 1500  # `./bookstore bench faults` sends 20,000


async def test_a_rolling_restart_fails_no_request(system: Stack, rate: float, tell: Told) -> None:
    # when
    script = restart_replicas(requests=REQUESTS)
    run = await run_calmly(system, script, rate=rate, tell=partial(tell, "rolling restart"))

    # then
    assert len(run.history.samples) > REQUESTS
    assert failed_requests(run) == []
