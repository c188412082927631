"""Judges a finished failover demo, and says it in numbers."""

import os
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from stack.demo.scenario import WHAT_HAPPENS, Blow, Plan, Scenario
from stack.load.history import WRITES, FailureGroup, Gap, History, Kind, percentile
from stack.load.run import Event, RoleSpan, Run

LONGEST_GAP = {Blow.KILL: 5.0, Blow.STOP: 6.0, Blow.STEPDOWN: 0.3}
"""The bars: so many seconds may pass without an acknowledged write."""

BIN_SECONDS = 0.5
_DOTS = 4000


@dataclass(frozen=True)
class Check:
    """An invariant: what must not happen, and how often it did."""

    name: str
    count: int

    @property
    def holds(self) -> bool:
        """It never happened."""
        return self.count == 0


@dataclass(frozen=True)
class Bar:
    """A number and its limit from the list of faults to survive; missing it breaks no promise to clients."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def is_met(self) -> bool:
        """The number is within its limit."""
        return self.value <= self.limit


@dataclass(frozen=True)
class KindSummary:
    """The requests of one kind: how many, and their latency in milliseconds, waiting included."""

    kind: str
    sent: int
    failed: int
    median_ms: float
    p99_ms: float
    longest_ms: float
    answered_by: dict[str, int]


@dataclass(frozen=True)
class Bin:
    """What was answered in one slice of time."""

    at: float
    reads: int
    failed_reads: int
    writes: int
    failed_writes: int


@dataclass(frozen=True)
class Dot:
    """One request in the picture."""

    due: float
    latency_ms: float
    kind: str
    succeeded: bool


@dataclass(frozen=True)
class Report:
    """Everything that the demo found out; times in seconds since the load began."""

    fault: str
    victim: str
    what_happened: str
    began_at: str
    machine: str
    seconds: float
    rate: float
    fault_at: float
    elected_at: float | None
    gap: Gap
    gap_before: Gap
    acknowledged_writes: int
    checked_reads: int
    checks: list[Check]
    bars: list[Bar]
    kinds: list[KindSummary]
    failures: list[FailureGroup]
    nodes: dict[str, int]
    details: list[str]
    longest_pause: float
    events: list[Event]
    roles: list[RoleSpan]
    bins: list[Bin]
    dots: list[Dot]

    @property
    def holds(self) -> bool:
        """No invariant broke."""
        return all(check.holds for check in self.checks)

    @property
    def failed(self) -> int:
        """Requests that failed at first."""
        return sum(kind.failed for kind in self.kinds)

    @property
    def election_seconds(self) -> float | None:
        """From the fault until another node could take writes; None where the node's own clock doesn't tell."""
        return None if self.elected_at is None else self.elected_at - self.fault_at

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        verdict = {
            "holds": self.holds,
            "longest_write_gap_seconds": round(self.gap.seconds, 3),
            "election_seconds": self.election_seconds,
            "failed_requests": self.failed,
            **{check.name.replace(" ", "_").replace(",", ""): check.count for check in self.checks},
        }
        bars = [{**asdict(bar), "is_met": bar.is_met} for bar in self.bars]
        return {"verdict": verdict, **asdict(self), "bars": bars}


def judge(run: Run, scenario: Scenario) -> Report:
    """Compare what clients saw with what the databases have."""
    plan, history = scenario.plan, run.history
    gap = history.longest_gap(WRITES, begin=scenario.hit_at, end=scenario.ended_at)
    unsettled = [one for one in history.repeats if one.settled is None]
    failed_hot = history.of({Kind.HOT}, succeeded=False)
    checks = [
        Check("acknowledged writes lost", len(run.audit.lost)),
        Check("writes doubled", len(run.audit.doubled)),
        Check("stale reads", len(history.stale)),
        Check("cached reads failed", len(failed_hot)),
        Check("requests without an answer in the end", len(unsettled)),
        Check("unexpected answers", len(history.broken_promises)),
    ]
    details = [f"lost: {mark}" for mark in run.audit.lost] + [f"doubled: {mark}" for mark in run.audit.doubled]
    details += [f"stale at {one.at:.2f} s: {one.target} {one.shown}; {one.acknowledged}" for one in history.stale]
    return Report(
        fault=plan.blow.value,
        victim=scenario.victim,
        what_happened=WHAT_HAPPENS[plan.blow],
        began_at=run.began_at.isoformat(timespec="seconds"),
        machine=_machine(),
        seconds=scenario.ended_at,
        rate=plan.rate,
        fault_at=scenario.hit_at,
        elected_at=scenario.elected_at,
        gap=gap,
        gap_before=history.longest_gap(WRITES, begin=0.0, end=scenario.hit_at),
        acknowledged_writes=run.audit.acknowledged,
        checked_reads=history.checked_reads,
        checks=checks,
        bars=_bars(plan, history, gap),
        kinds=[summary for kind in Kind if (summary := summarise(history, kind)).sent],
        failures=history.failures(),
        nodes={node.node: node.found for node in run.audit.nodes},
        details=(details + history.broken_promises)[:50],
        longest_pause=run.longest_pause,
        events=run.events,
        roles=run.roles,
        bins=_bins(history, scenario.ended_at),
        dots=_dots(history, scenario.ended_at),
    )


def _bars(plan: Plan, history: History, gap: Gap) -> list[Bar]:
    bars = [Bar("longest time without an acknowledged write", round(gap.seconds, 3), LONGEST_GAP[plan.blow], "s")]
    if plan.blow is Blow.STEPDOWN:
        failed = sum(not one.succeeded for one in history.samples)
        bars.append(Bar("errors that a client saw", failed, 0, ""))
    return bars


def summarise(history: History, kind: Kind) -> KindSummary:
    """What became of the requests of one kind."""
    samples = history.of({kind})
    latencies = [one.latency * 1000 for one in samples]
    return KindSummary(
        kind=kind.value,
        sent=len(samples),
        failed=sum(not one.succeeded for one in samples),
        median_ms=round(percentile(latencies, 0.5), 1),
        p99_ms=round(percentile(latencies, 0.99), 1),
        longest_ms=round(percentile(latencies, 1), 1),
        answered_by=dict(Counter(one.answered_by for one in samples if one.answered_by and not kind.is_write)),
    )


def _bins(history: History, seconds: float) -> list[Bin]:
    counts: Counter[tuple[int, bool, bool]] = Counter()
    for one in history.samples:
        counts[int(one.ended / BIN_SECONDS), one.kind.is_write, one.succeeded] += 1
    return [
        Bin(
            at=number * BIN_SECONDS,
            reads=counts[number, False, True],
            failed_reads=counts[number, False, False],
            writes=counts[number, True, True],
            failed_writes=counts[number, True, False],
        )
        for number in range(int(seconds / BIN_SECONDS))
    ]


def _dots(history: History, seconds: float) -> list[Dot]:
    # The slow and the failed ones are the story; of the others a sample.
    inside = [one for one in history.samples if one.due < seconds]
    thin = max(1, len(inside) // _DOTS)
    shown = [one for number, one in enumerate(inside) if number % thin == 0 or one.latency > 0.2 or not one.succeeded]  # noqa: PLR2004
    return [Dot(round(one.due, 3), round(one.latency * 1000, 2), one.kind.value, one.succeeded) for one in shown]


def _machine() -> str:
    return f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"
