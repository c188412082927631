"""The primary is cut off from the secondaries while clients reach all three: two of them believe to be primary."""

import pytest

from stack.load.history import WRITES
from stack.load.ordeals import FAULT_AT, cut_off_the_primary
from stack.load.run import run_under_load
from stack.partition import what_is_missing
from stack.running import Stack
from tests.failover.conftest import Told
from tests.failover.promises import assert_promises_kept


async def test_no_write_is_lost_and_no_read_is_stale_while_the_primary_is_cut_off(
    system: Stack, rate: float, tell: Told
) -> None:
    if missing := what_is_missing():
        pytest.skip(missing)

    # when
    run = await run_under_load(system, cut_off_the_primary, rate=rate)
    tell("the primary is cut off", run)

    # then: another took over meanwhile, and everything acknowledged by either is there
    assert any(span.role == "primary" and span.begin > FAULT_AT for span in run.roles)
    gap = run.history.longest_gap(WRITES, begin=FAULT_AT, end=run.seconds)
    print(f"{gap.seconds:.1f} s without a write")
    assert_promises_kept(run)
