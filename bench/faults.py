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
from stack.demo.report import LONGEST_GAP
from stack.demo.report import Report as Verdict
from stack.demo.scenario import Blow, Plan
from stack.faults import Fault
from stack.load.history import WRITES, Kind, percentile
from stack.load.ordeals import (
    FAULT_AT,
    HEALED,
    SPOIL_THE_CACHE,
    cut_off_the_primary,
    lose,
    lose_the_majority,
    lose_the_primary_without_a_cache,
    restart_replicas,
    restart_the_primary,
)
from stack.load.run import Run, Script, run_under_load
from stack.partition import what_is_missing
from stack.profile import throwaway_profile
from stack.running import Stack, running_stack

READS: Final = frozenset({Kind.HOT, Kind.WATCHED, Kind.COLD})
ROLLING_REQUESTS: Final = 20_000
_ROLLING_RATE: Final = 220.0
"""Near what two cores carry, load generator included, while a replica starts beside it: at 280 writers queue up."""
_DEMO_SECONDS: Final = 24.0

_TITLE: Final = {
    Blow.KILL: "1 primary killed",
    Blow.STEPDOWN: "2 primary hands over",
    Blow.STOP: "3 primary hung",
}
_DEATHS: Final = {Fault.KILL: "killed", Fault.STOP: "hung"}
_OTHERS: Final = 14
"""Runs besides the primary's."""

_MEDIAN_KILLED: Final = 3.0
_RECOVERY: Final = 6.0
_CUT_OFF_GAP: Final = 6.0
_REPLICA_LOCKED: Final = 8.0
_SECONDARY_P99: Final = 2.0
_REDIS_DELAY: Final = 0.3
_ROLLING_HOT_P99: Final = 0.1


@dataclass
class _Findings:
    """Rows and bars as they come in; what no fault may ever do is summed up over all of them."""

    rows: list[list[Cell]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
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
        self.bars.append(Bar(f"{_TITLE[blow]}: longest gap", max(gaps), at_most=LONGEST_GAP[blow], unit=" s"))
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
    with running_stack(throwaway_profile("bench-faults")) as stack, progress_over(3 * rounds + _OTHERS) as advance:
        for blow in (Blow.KILL, Blow.STEPDOWN, Blow.STOP):
            plan = Plan(blow=blow, seconds=_DEMO_SECONDS, rate=rate)
            found.demo(blow, [_fail_over(stack, plan, advance) for _ in range(rounds)])
        trial = _Trial(stack, found, rate, advance)
        _break_the_databases(trial)
        _spoil_the_cache(trial)
        _lose_a_replica(trial)
        _roll(trial)
    found.bars.insert(0, Bar("writes lost or doubled, reads stale or broken, in all runs", found.broken, at_most=0))
    return Report(
        title=f"Faults under {rate:g} requests a second; the primary's {rounds} times each",
        command=command,
        machine=machine,
        columns=("fault", "requests", "failed at first", "longest gap s", "p99 before ms", "p99 from then on ms"),
        rows=found.rows,
        bars=found.bars,
        notes=[f"the load generator itself stood still for {found.standstill:.2f} s at most", *found.notes],
    )


@dataclass(frozen=True)
class _Trial:
    """A system to break, and where it is written down what came of it."""

    stack: Stack
    found: _Findings
    rate: float
    advance: Callable[[str], None]

    def run(self, title: str, script: Script, *, rate: float | None = None) -> tuple[Run, float]:
        """Break something, and return the run and by how many times the 99th percentile grew."""
        self.advance(title)
        run = asyncio.run(run_under_load(self.stack, script, rate=rate or self.rate))
        before, after = self.found.run(title, run)
        return run, after / max(before, 1e-9)

    def at_most(self, title: str, value: float, bar: float, *, unit: str = "") -> None:
        """Hold a number against its bar."""
        self.found.bars.append(Bar(title, value, at_most=bar, unit=unit))


def _break_the_databases(trial: _Trial) -> None:
    title = "2 primary restarted"
    run, _ = trial.run(title, restart_the_primary)
    trial.at_most(f"{title}: longest gap", _gap(run, FAULT_AT), LONGEST_GAP[Blow.STEPDOWN], unit=" s")
    trial.at_most(f"{title}: failed requests", _failed(run), 0)
    for fault, how in _DEATHS.items():
        title = f"4 secondary {how}"
        run, growth = trial.run(title, lose("secondary", fault))
        trial.at_most(f"{title}: failed requests", _failed(run), 0)
        trial.at_most(f"{title}: p99, growth", growth, _SECONDARY_P99)
    title = "5 majority lost"
    run, _ = trial.run(title, lose_the_majority)
    healed = next(event.at for event in run.events if event.what == HEALED)
    trial.at_most(f"{title}: failed cached reads", len(run.history.of({Kind.HOT}, succeeded=False)), 0)
    trial.at_most(f"{title}: recovery", _gap(run, healed), _RECOVERY, unit=" s")
    title = "7 primary cut off"
    if missing := what_is_missing():
        trial.advance(title)
        trial.found.notes.append(f"{title}: left out, {missing}")
        return
    run, _ = trial.run(title, cut_off_the_primary)
    trial.at_most(f"{title}: longest gap", _gap(run, FAULT_AT), _CUT_OFF_GAP, unit=" s")


def _spoil_the_cache(trial: _Trial) -> None:
    for how, script in SPOIL_THE_CACHE.items():
        title = f"8 Redis {how}"
        run, _ = trial.run(title, script)
        longest = max(one.latency for one in run.history.of(READS))
        trial.at_most(f"{title}: failed requests", _failed(run), 0)
        trial.at_most(f"{title}: longest read", longest, _REDIS_DELAY, unit=" s")
    title = "18 primary killed without Redis"
    run, _ = trial.run(title, lose_the_primary_without_a_cache)
    trial.at_most(f"{title}: failed requests", _failed(run), 0)
    trial.at_most(f"{title}: longest gap", _gap(run, FAULT_AT), LONGEST_GAP[Blow.KILL], unit=" s")


def _lose_a_replica(trial: _Trial) -> None:
    for fault, how in _DEATHS.items():
        title = f"10 replica {how}"
        run, _ = trial.run(title, lose("api-2", fault))
        gap = run.history.longest_gap({Kind.STOCK}, begin=0, end=run.seconds).seconds
        trial.at_most(f"{title}: failed reads", len(run.history.of(READS, succeeded=False)), 0)
        trial.at_most(f"{title}: longest wait for a held stock", gap, _REPLICA_LOCKED, unit=" s")


def _roll(trial: _Trial) -> None:
    found, title = trial.found, "12 rolling restart"
    run, _ = trial.run(title, restart_replicas(requests=ROLLING_REQUESTS), rate=_ROLLING_RATE)
    found.bars.append(Bar(f"{title}: requests", len(run.history.samples), at_least=ROLLING_REQUESTS))
    trial.at_most(f"{title}: failed requests", _failed(run), 0)
    hot = percentile([one.latency for one in run.history.of({Kind.HOT})], 0.99)
    trial.at_most(f"{title}: cached reads, p99", hot, _ROLLING_HOT_P99, unit=" s")
    title = "12 rolling, full load"
    trial.advance(title)
    rolled = roll_at_full_load(trial.stack)
    found.rows.append([title, rolled.sample.requests, rolled.sample.failed, None, None, rolled.sample.p99_ms])
    found.bars.append(Bar(f"{title}: replicas restarted meanwhile", rolled.restarted, at_least=REPLICAS))
    found.bars.append(Bar(f"{title}: requests", rolled.sample.requests, at_least=ROLLING_REQUESTS))
    trial.at_most(f"{title}: failed requests", rolled.sample.failed, 0)


def _fail_over(stack: Stack, plan: Plan, advance: Callable[[str], None]) -> Verdict:
    advance(_TITLE[plan.blow])
    return asyncio.run(fail_over(stack, plan))


def _gap(run: Run, begin: float) -> float:
    return run.history.longest_gap(WRITES, begin=begin, end=run.seconds).seconds


def _failed(run: Run) -> int:
    return sum(not one.succeeded for one in run.history.samples)
