"""Measures contenders side by side: A B C, A B C, …, so that a machine that drifts does so under all of them."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.wrk import Sample, run_wrk
from stack.display import errors


@dataclass(frozen=True)
class Contender:
    """Something that answers requests; `around` is what happens while it is measured, such as writers at work."""

    name: str
    url: str
    requests: Path
    connections: int = 64
    threads: int = 2
    before: Callable[[], None] = lambda: None
    around: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Result:
    """A contender's samples, one per round."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def per_second(self) -> float:
        """The median rate."""
        return statistics.median(sample.per_second for sample in self.samples)

    @property
    def p50_ms(self) -> float:
        """The median of the rounds' medians."""
        return statistics.median(sample.p50_ms for sample in self.samples)

    @property
    def p99_ms(self) -> float:
        """The median of the rounds' 99th percentiles."""
        return statistics.median(sample.p99_ms for sample in self.samples)

    @property
    def failed(self) -> int:
        """How many requests failed in all rounds."""
        return sum(sample.failed for sample in self.samples)

    def ratio_to(self, other: "Result") -> float:
        """Return the median of the rates' ratios, each taken within one round; 0 beside who answered nothing."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(
            mine.per_second / theirs.per_second if theirs.per_second else 0.0 for mine, theirs in pairs
        )


def measure(contenders: Sequence[Contender], *, seconds: float, rounds: int) -> dict[str, Result]:
    """Measure each contender for so many seconds in each round; return the results by name."""
    return in_rounds({one.name: partial(_sample, one) for one in contenders}, seconds=seconds, rounds=rounds)


def in_rounds(contenders: Mapping[str, Callable[[float], Sample]], *, seconds: float, rounds: int) -> dict[str, Result]:
    """Take a sample of so many seconds of each in each round; return the results by name."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    with progress_over(rounds * len(contenders)) as advance:
        for number in range(rounds):
            for name, sample in contenders.items():
                advance(f"round {number + 1} of {rounds}: {name}")
                samples[name].append(sample(seconds))
    return {name: Result(name, tuple(taken)) for name, taken in samples.items()}


def warm_up(contenders: Sequence[Contender]) -> None:
    """Ask everybody for a second, uncounted."""
    for contender in contenders:
        _run(contender, 1)


def _sample(contender: Contender, seconds: float) -> Sample:
    contender.before()
    with contender.around():
        return _run(contender, seconds)


def _run(contender: Contender, seconds: float) -> Sample:
    return run_wrk(
        contender.url,
        contender.requests,
        seconds=seconds,
        connections=contender.connections,
        threads=contender.threads,
    )


@contextmanager
def progress_over(total: int) -> Iterator[Callable[[str], None]]:
    """Show how far so many steps have come; call what this yields at each step's beginning."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("starting", total=total)
        begun = 0

        def advance(what: str) -> None:
            nonlocal begun
            progress.update(task, description=what, completed=begun)
            begun += 1

        yield advance
