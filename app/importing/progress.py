"""Shows how far an import is: a bar on a terminal, a line every few seconds elsewhere; at the end, a table."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from app import clock
from app.importing.batches import Verdict
from app.importing.imports import Tally
from app.importing.records import RowSource

_SECONDS_BETWEEN_LINES: Final = 5.0
_SECONDS_BETWEEN_FRAMES: Final = 0.1


class ImportProgress:
    """The progress of one import. Use as a context manager."""

    def __init__(self, source: RowSource, tally: Tally, *, console: Console) -> None:
        """Follow this source and this tally."""
        self._source = source
        self._tally = tally
        self._console = console
        self._started = self._shown = clock.monotonic()
        self._bar = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("Importing", total=max(source.total, 1), rows=0, rate=0.0)

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    @property
    def rate(self) -> float:
        """Rows a second since the start."""
        return self._tally.rows / max(clock.monotonic() - self._started, 0.001)

    def advance(self) -> None:
        """Show where it is now, unless it was shown a moment ago."""
        now = clock.monotonic()
        on_terminal = self._console.is_terminal
        if now - self._shown < (_SECONDS_BETWEEN_FRAMES if on_terminal else _SECONDS_BETWEEN_LINES):
            return
        self._shown = now
        if on_terminal:
            self._bar.update(self._task, completed=self._source.done, rows=self._tally.rows, rate=self.rate)
            return
        share = min(self._source.done / max(self._source.total, 1), 1.0)
        left = (now - self._started) * (1 - share) / max(share, 0.001)
        self._console.print(
            f"Importing: {share:.0%}, {self._tally.rows:,} rows, {self.rate:,.0f}/s, about {left:,.0f} s left",
            highlight=False,
        )


def headline(tally: Tally, *, seconds: float, dry_run: bool) -> str:
    """Return how many rows there were and how fast, in one line."""
    rate = tally.rows / max(seconds, 0.001)
    ending = "; nothing was written (dry run)" if dry_run else ""
    return f"{tally.rows:,} rows in {seconds:,.1f} s ({rate:,.0f}/s){ending}"


def summary(tally: Tally, *, dry_run: bool) -> Table:
    """Return the table of what became of the rows, what was repaired, and why rows failed."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for verdict in Verdict:
        name = f"would be {verdict}" if dry_run and verdict in {Verdict.CREATED, Verdict.UPDATED} else str(verdict)
        table.add_row(name, f"{tally.verdicts[verdict]:,}", style="red" if _bad(verdict, tally) else None)
    for heading, counts in (("failed because", tally.failures), ("on the way", tally.notes)):
        if counts:
            table.add_section()
            table.add_row(f"[dim]{heading}[/dim]", "")
            for code, count in counts.most_common():
                table.add_row(f"  {code}", f"{count:,}")
    return table


def _bad(verdict: Verdict, tally: Tally) -> bool:
    return verdict is Verdict.FAILED and tally.verdicts[verdict] > 0
