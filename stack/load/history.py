"""Keeps what happened to every request of a run, and answers questions about it."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise


class Kind(StrEnum):
    """What a request was for."""

    HOT = "hot read"
    WATCHED = "watched read"
    COLD = "cold read"
    CREATE = "new book"
    PRICE = "new price"
    STOCK = "one copy more"
    BUY = "purchase"

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self in WRITES


WRITES = frozenset({Kind.CREATE, Kind.PRICE, Kind.STOCK, Kind.BUY})


@dataclass(frozen=True, slots=True)
class Sample:
    """One attempt at a request, in seconds since the run began; `due` is when it should have been sent."""

    kind: Kind
    due: float
    ended: float
    outcome: str
    succeeded: bool
    answered_by: str = ""

    @property
    def latency(self) -> float:
        """Seconds from when it should have been sent: a client that had to wait for its turn waited, too."""
        return self.ended - self.due


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request whose first outcome left its fate open, and what its repeats with the same key found out."""

    kind: Kind
    due: float
    first: str
    tries: int
    settled: str | None
    settled_at: float


@dataclass(frozen=True, slots=True)
class StaleRead:
    """A read that was begun after an acknowledged write, and showed less."""

    at: float
    target: str
    shown: str
    acknowledged: str


@dataclass
class History:
    """Everything that clients saw."""

    samples: list[Sample] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    stale: list[StaleRead] = field(default_factory=list)
    checked_reads: int = 0
    broken_promises: list[str] = field(default_factory=list)

    def of(self, kinds: Iterable[Kind], *, succeeded: bool | None = None) -> list[Sample]:
        """The first attempts at requests of these kinds."""
        wanted = frozenset(kinds)
        return [one for one in self.samples if one.kind in wanted and succeeded in {None, one.succeeded}]

    def longest_gap(self, kinds: Iterable[Kind], *, begin: float, end: float) -> "Gap":
        """The longest time in which no request of these kinds was acknowledged."""
        wanted = frozenset(kinds)
        moments = [one.ended for one in self.samples if one.succeeded and one.kind in wanted]
        moments += [one.settled_at for one in self.repeats if one.settled == "done" and one.kind in wanted]
        inside = sorted(moment for moment in moments if begin < moment < end)
        start, stop = max(pairwise([begin, *inside, end]), key=lambda pair: pair[1] - pair[0])
        return Gap(start, stop)

    def failures(self) -> "list[FailureGroup]":
        """The failed first attempts by kind and outcome, with what their repeats found out."""
        groups: dict[tuple[Kind, str], Counter[str]] = {}
        for one in self.repeats:
            found = groups.setdefault((one.kind, one.first), Counter())
            found[one.settled or "no answer"] += 1
        return [FailureGroup(kind, outcome, dict(found)) for (kind, outcome), found in sorted(groups.items())]


@dataclass(frozen=True)
class Gap:
    """A stretch of time, in seconds since the run began."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin


@dataclass(frozen=True)
class FailureGroup:
    """Requests of one kind that failed in the same way, and how many repeats ended how."""

    kind: Kind
    outcome: str
    on_repeat: dict[str, int]


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of them doesn't exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
