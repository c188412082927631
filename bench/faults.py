"""Breaks one part after the other under load, and holds what clients noticed against the exact bars."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.full_load import REPLICAS, roll_at_full_load
from bench.machine import this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import progress_over
from stack.demo.failover import fail_over
from stack.demo.report import Report as Verdict
from stack.demo.scenario import Blow, Plan
from stack.faults import Fault
from stack.load.history import WRITES, Kind, percentile
from stack.load.ordeals import (
    FAULT_AT,
    SPOIL_THE_CACHE,
    lose,
    lose_the_primary_without_a_cache,
    restart_replicas,
    restart_the_primary,
)
from stack.load.run import Run, Script, run_under_load
from stack.profile import throwaway_profile
from stack.running import Stack, running_stack

READS: Final = frozenset({Kind.HOT, Kind.WATCHED, Kind.COLD})
ROLLING_REQUESTS: Final = 20_000
_ROLLING_RATE: Final = 220.0
"""Near what two cores carry, load generator included, while a replica starts beside it: at 280 writers queue up."""
_DEMO_SECONDS: Final = 24.0

_GAP: Final = {Blow.KILL: 5.0, Blow.STEPDOWN: 0.3, Blow.STOP: 6.0}
_TITLE: Final = {
    Blow.KILL: "1 primary killed",
    Blow.STEPDOWN: "2 primary hands over",
    Blow.STOP: "3 primary hung",
}
_MEDIAN_KILLED: Final = 3.0
_REPLICA_LOCKED: Final = 8.0
_SECONDARY_P99: Final = 2.0
_REDIS_DELAY: Final = 0.3
_ROLLING_HOT_P99: Final = 0.1


@dataclass
class _Findings:
    """Rows and bars as they come in; what no fault may ever do is summed up over all of them."""

    rows: list[list[Cell]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    broken: int = 0
    standstill: float = 0.0

    def demo(self, blow: Blow, verdicts: Sequence[Verdict]) -> None:
        """Take the rounds of one demo."""
        gaps = [one.gap.seconds for one in verdicts]
        failed = sum(one.failed for one in verdicts)
        self.broken += sum(check.count for one in verdicts for check in one.checks)
        self.standstill = max(self.standstill, *(one.longest_pause for one in verdicts))
        self.rows.append(
            [_TITLE[blow], sum(kind.sent for one in verdicts for kind in one.kinds), failed, max(gaps), None, None]
        )
        self.bars.append(Bar(f"{_TITLE[blow]}: longest gap", max(gaps), at_most=_GAP[blow], unit=" s"))
        if blow is Blow.KILL:
            self.bars.append(
                Bar(f"{_TITLE[blow]}: median gap", statistics.median(gaps), at_most=_MEDIAN_KILLED, unit=" s")
            )
        if blow is Blow.STEPDOWN:
            self.bars.append(Bar(f"{_TITLE[blow]}: failed requests", failed, at_most=0))

    def run(self, title: str, run: Run) -> tuple[float, float]:
        """Take one run, and return the 99th percentile of what no cache answers, before the fault and from then on."""
        audit, history = run.audit, run.history
        self.broken += len(audit.lost) + len(audit.doubled) + len(history.stale) + len(history.broken_promises)
        self.standstill = max(self.standstill, run.longest_pause)
        slow = [one for one in history.samples if one.kind is not Kind.HOT]
        before = percentile([one.latency for one in slow if one.due < FAULT_AT], 0.99)
        after = percentile([one.latency for one in slow if one.due >= FAULT_AT], 0.99)
        failed = sum(not one.succeeded for one in history.samples)
        self.rows.append([title, len(history.samples), failed, None, before * 1000, after * 1000])
        return before, after


def faults(*, rounds: int, rate: float, command: str) -> Report:
    """Start a system, break it in every way, and return the report; each primary's fault is repeated for each round."""
    machine = this_machine()
    found = _Findings()
    with running_stack(throwaway_profile("bench-faults")) as stack, progress_over(3 * rounds + 12) as advance:
        for blow in (Blow.KILL, Blow.STEPDOWN, Blow.STOP):
            plan = Plan(blow=blow, seconds=_DEMO_SECONDS, rate=rate)
            found.demo(blow, [_fail_over(stack, plan, advance) for _ in range(rounds)])
        title = "2 primary restarted"
        run = _run(stack, title, restart_the_primary, rate, advance)
        found.run(title, run)
        gap = run.history.longest_gap(WRITES, begin=FAULT_AT, end=run.seconds).seconds
        found.bars.append(Bar(f"{title}: longest gap", gap, at_most=_GAP[Blow.STEPDOWN], unit=" s"))
        found.bars.append(Bar(f"{title}: failed requests", _failed(run), at_most=0))
        for fault, how in ((Fault.KILL, "killed"), (Fault.STOP, "hung")):
            title = f"4 secondary {how}"
            run = _run(stack, title, lose("secondary", fault), rate, advance)
            before, after = found.run(title, run)
            found.bars.append(Bar(f"{title}: failed requests", _failed(run), at_most=0))
            found.bars.append(Bar(f"{title}: p99, growth", after / max(before, 1e-9), at_most=_SECONDARY_P99))
        for how, script in SPOIL_THE_CACHE.items():
            title = f"8 Redis {how}"
            run = _run(stack, title, script, rate, advance)
            found.run(title, run)
            longest = max(one.latency for one in run.history.of(READS))
            found.bars.append(Bar(f"{title}: failed requests", _failed(run), at_most=0))
            found.bars.append(Bar(f"{title}: longest read", longest, at_most=_REDIS_DELAY, unit=" s"))
        for fault, how in ((Fault.KILL, "killed"), (Fault.STOP, "hung")):
            title = f"10 replica {how}"
            run = _run(stack, title, lose("api-2", fault), rate, advance)
            found.run(title, run)
            gap = run.history.longest_gap({Kind.STOCK}, begin=0, end=run.seconds).seconds
            failed = len(run.history.of(READS, succeeded=False))
            found.bars.append(Bar(f"{title}: failed reads", failed, at_most=0))
            found.bars.append(Bar(f"{title}: longest wait for a held stock", gap, at_most=_REPLICA_LOCKED, unit=" s"))
        title = "18 primary killed without Redis"
        run = _run(stack, title, lose_the_primary_without_a_cache, rate, advance)
        found.run(title, run)
        gap = run.history.longest_gap(WRITES, begin=FAULT_AT, end=run.seconds).seconds
        found.bars.append(Bar(f"{title}: failed requests", _failed(run), at_most=0))
        found.bars.append(Bar(f"{title}: longest gap", gap, at_most=_GAP[Blow.KILL], unit=" s"))
        _roll(stack, found, advance)
    found.bars.insert(0, Bar("writes lost or doubled, reads stale or broken, in all runs", found.broken, at_most=0))
    return Report(
        title=f"Faults under {rate:g} requests a second; the primary's {rounds} times each",
        command=command,
        machine=machine,
        columns=("fault", "requests", "failed at first", "longest gap s", "p99 before ms", "p99 from then on ms"),
        rows=found.rows,
        bars=found.bars,
        notes=[f"the load generator itself stood still for {found.standstill:.2f} s at most"],
    )


def _roll(stack: Stack, found: _Findings, advance: Callable[[str], None]) -> None:
    title = "12 rolling restart"
    run = _run(stack, title, restart_replicas(requests=ROLLING_REQUESTS), _ROLLING_RATE, advance)
    found.run(title, run)
    found.bars.append(Bar(f"{title}: requests", len(run.history.samples), at_least=ROLLING_REQUESTS))
    found.bars.append(Bar(f"{title}: failed requests", _failed(run), at_most=0))
    hot = percentile([one.latency for one in run.history.of({Kind.HOT})], 0.99)
    found.bars.append(Bar(f"{title}: cached reads, p99", hot, at_most=_ROLLING_HOT_P99, unit=" s"))
    title = "12 rolling, full load"
    advance(title)
    rolled = roll_at_full_load(stack)
    found.rows.append([title, rolled.sample.requests, rolled.sample.failed, None, None, rolled.sample.p99_ms])
    found.bars.append(Bar(f"{title}: replicas restarted meanwhile", rolled.restarted, at_least=REPLICAS))
    found.bars.append(Bar(f"{title}: requests", rolled.sample.requests, at_least=ROLLING_REQUESTS))
    found.bars.append(Bar(f"{title}: failed requests", rolled.sample.failed, at_most=0))


def _fail_over(stack: Stack, plan: Plan, advance: Callable[[str], None]) -> Verdict:
    advance(_TITLE[plan.blow])
    return asyncio.run(fail_over(stack, plan))


def _run(stack: Stack, title: str, script: Script, rate: float, advance: Callable[[str], None]) -> Run:
    advance(title)
    return asyncio.run(run_under_load(stack, script, rate=rate))


def _failed(run: Run) -> int:
    return sum(not one.succeeded for one in run.history.samples)
