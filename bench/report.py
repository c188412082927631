"""Shows what was measured: a table for people, a JSON file for programs, and which bars were reached."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.machine import Machine
from stack.display import console

Cell = str | float | int | None


@dataclass(frozen=True)
class Bar:
    """What a measured number was to reach: at least, or at most."""

    name: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the number is within its bounds."""
        high_enough = self.at_least is None or self.measured >= self.at_least
        return high_enough and (self.at_most is None or self.measured <= self.at_most)

    def sentence(self) -> str:
        """Return it for people."""
        bounds = [f"≥ {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"≤ {self.at_most:g}"] if self.at_most is not None else []
        verdict = "[green]reached[/]" if self.reached else "[red]missed[/]"
        return f"{verdict}  {self.name}: {self.measured:.2f}{self.unit} (bar: {' and '.join(bounds)}{self.unit})"


@dataclass(frozen=True)
class Report:
    """One benchmark's outcome."""

    title: str
    command: str
    machine: Machine
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    bars: Sequence[Bar]
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def show(self) -> None:
        """Print the table, the bars and the notes."""
        table = Table(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*map(_shown, row))
        console.print(table)
        for bar in self.bars:
            console.print(bar.sentence(), highlight=False)
        for note in self.notes:
            console.print(note, highlight=False, markup=False)
        console.print(f"{self.command}\n{self.machine.sentence()}", style="dim", highlight=False, markup=False)

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        content = {
            "title": self.title,
            "command": self.command,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": asdict(self.machine),
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "bars": [asdict(bar) | {"reached": bar.reached} for bar in self.bars],
            "notes": list(self.notes),
            **self.facts,
        }
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return cell
        case int():
            return f"{cell:,}"
        case _ if cell >= 1000:  # noqa: PLR2004  no decimals where nobody reads them
            return f"{cell:,.0f}"
        case _:
            return f"{cell:.2f}"
