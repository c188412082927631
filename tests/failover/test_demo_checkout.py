import pytest

from stack.demo.checkout import check_out, print_checkout
from stack.demo.scenario import Blow, Plan
from stack.running import Stack

RATE = 6.0
"""Requests a second, half of which buy: a slow machine shared with others must carry them."""


@pytest.mark.parametrize("blow", [Blow.KILL, Blow.STEPDOWN])
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
    assert outcome.verdict.findings == []
    assert set(outcome.report.nodes.values()) == {outcome.report.acknowledged_writes}
    assert outcome.verdict.counts.taken == outcome.verdict.counts.entered_in
