"""Shows a run while it goes on: a table that moves on a terminal, lines elsewhere."""

import asyncio
from collections import deque
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stack.load.history import Sample, percentile
from stack.load.run import Course

_ROWS = 18


@dataclass(frozen=True)
class Second:
    """One second of a run."""

    at: int
    phase: str
    primary: str
    reads: int
    failed_reads: int
    read_ms: float
    writes: int
    failed_writes: int
    write_ms: float
    waiting: int


class Board:
    """Follows a course second by second."""

    def __init__(self, console: Console, *, title: str) -> None:
        """Take where to show it, and what to call it."""
        self._console = console
        self._title = title
        self._rows: deque[Second] = deque(maxlen=_ROWS)
        self._seen = 0
        self._told = 0

    async def watch(self, course: Course) -> None:
        """Show the course until cancelled."""
        if not self._console.is_terminal:
            while True:
                await self._wait(course)
                self._console.print(_line(self._next(course)), highlight=False, soft_wrap=True)
                self._tell_events(course)
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:
            while True:
                await self._wait(course)
                self._rows.append(self._next(course))
                live.update(self._picture(course))

    async def _wait(self, course: Course) -> None:
        now = course.traffic.now()
        await asyncio.sleep(int(now) + 1 - now)

    def _next(self, course: Course) -> Second:
        fresh = course.traffic.history.samples[self._seen :]
        self._seen += len(fresh)
        reads = [one for one in fresh if not one.kind.is_write]
        writes = [one for one in fresh if one.kind.is_write]
        return Second(
            at=int(course.traffic.now()),
            phase=course.phase,
            primary=course.primary or "none",
            reads=_succeeded(reads),
            failed_reads=len(reads) - _succeeded(reads),
            read_ms=percentile([one.latency * 1000 for one in reads], 0.99),
            writes=_succeeded(writes),
            failed_writes=len(writes) - _succeeded(writes),
            write_ms=percentile([one.latency * 1000 for one in writes], 0.99),
            waiting=course.traffic.in_flight,
        )

    def _tell_events(self, course: Course) -> None:
        for event in course.events[self._told :]:
            self._console.print(f"    {event.at:5.1f} s  {event.text}", highlight=False)
        self._told = len(course.events)

    def _picture(self, course: Course) -> RenderableType:
        table = Table(title=self._title, title_justify="left", header_style="bold", caption_justify="left")
        for heading in ("second", "phase", "primary"):
            table.add_column(heading)
        for heading in ("reads/s", "failed", "p99 ms", "writes/s", "failed", "p99 ms", "waiting"):
            table.add_column(heading, justify="right")
        for row in self._rows:
            table.add_row(
                *(str(row.at), row.phase, Text(row.primary, style="red bold" if row.primary == "none" else "green")),
                *(str(row.reads), _count(row.failed_reads), _slow(row.read_ms)),
                *(str(row.writes), _count(row.failed_writes), _slow(row.write_ms), str(row.waiting)),
            )
        events = [Text(f"{event.at:6.1f} s  {event.text}", style="bold") for event in course.events]
        return Group(table, *events)


def _succeeded(samples: list[Sample]) -> int:
    return sum(one.succeeded for one in samples)


def _count(failed: int) -> Text:
    return Text(str(failed), style="red bold" if failed else "dim")


def _slow(milliseconds: float) -> Text:
    return Text(f"{milliseconds:.0f}", style="yellow" if milliseconds > 500 else "")  # noqa: PLR2004  half a second is felt


def _line(row: Second) -> str:
    return (
        f"{row.at:4d} s  {row.phase:18}  primary {row.primary:8}"
        f"  reads {row.reads:5d}/s {row.failed_reads:3d} failed, p99 {row.read_ms:6.0f} ms"
        f"  writes {row.writes:4d}/s {row.failed_writes:3d} failed, p99 {row.write_ms:6.0f} ms"
        f"  {row.waiting:4d} waiting"
    )
