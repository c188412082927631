from functools import partial

from stack.load.history import WRITES
from stack.load.ordeals import restart_the_primary
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import failed_requests, run_calmly


async def test_a_primary_that_is_restarted_on_purpose_fails_no_request(system: Stack, rate: float, tell: Told) -> None:
    # when
    run = await run_calmly(system, restart_the_primary, rate=rate, tell=partial(tell, "the primary is restarted"))

    # then
    assert failed_requests(run) == []
    first_primary = next(span.node for span in run.roles if span.role == "primary")
    assert [event.text for event in run.events] == [f"restart {first_primary}"]
    assert run.history.of(WRITES, succeeded=True) != []
