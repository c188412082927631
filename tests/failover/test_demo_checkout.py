import pytest

from stack.audit.auditing import audit
from stack.demo.checkout import PATIENCE, check_out, print_checkout
from stack.demo.scenario import Blow, Plan
from stack.faults import Fault
from stack.load.ordeals import lose
from stack.load.run import run_under_load
from stack.load.traffic import PURCHASES
from stack.running import Stack
from tests.failover.promises import is_timely

RATE = 6.0
"""Requests a second, half of which buy: a slow machine shared with others must carry them."""


@pytest.mark.parametrize("blow", list(Blow))
async def test_every_acknowledged_order_is_there_once_paid_and_confirmed(
    system: Stack, blow: Blow, capsys: pytest.CaptureFixture[str]
) -> None:
    # when
    outcome = await check_out(system, Plan(blow=blow, seconds=14, rate=RATE))
    with capsys.disabled():
        print_checkout(outcome)

    # then
    assert outcome.orders > 0
    broken = {check.name for check in outcome.report.checks if not check.holds}
    # Timing, which a machine that others keep busy must not fail.
    assert broken - {"cached reads failed"} == set(), outcome.report.details
    assert is_timely(outcome.report)
    assert outcome.verdict.findings == []
    assert set(outcome.report.nodes.values()) == {outcome.report.acknowledged_writes}
    assert outcome.verdict.counts.taken == outcome.verdict.counts.entered_in


@pytest.mark.parametrize("fault", [Fault.KILL, Fault.STOP])
async def test_a_replica_that_is_lost_while_people_buy_costs_no_order(system: Stack, fault: Fault) -> None:
    # when
    run = await run_under_load(system, lose("api-2", fault), rate=RATE, pattern=PURCHASES)
    verdict = await audit(system, patience=PATIENCE)

    # then every purchase ended once, by its repeats where need be
    assert (run.audit.lost, run.audit.doubled, run.history.broken_promises) == ([], [], [])
    assert {repeat.settled for repeat in run.history.repeats} <= {"done"}
    assert run.audit.acknowledged > 0
    assert verdict.findings == []
