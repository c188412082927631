"""`load`: runs the Locust journeys through HAProxy without a page, and shows what came of them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stack.display import console, errors
from stack.environment import inherited_environment
from stack.errors import StackError
from stack.load.target import system_at_hand
from stack.profile import REPOSITORY
from stack.running import Stack
from stack.tokens import access_token

LOCUSTFILE = REPOSITORY / "loadtests" / "locustfile.py"
_SPARE_SECONDS = 60.0
_TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Journeys:
    """How many people, for how long; `rate` is journeys a second by all of them, None as people would."""

    users: int
    seconds: int
    rate: float | None


def load_shop(journeys: Journeys) -> bool:
    """Run the journeys, print the summary; True where no request failed."""
    with system_at_hand() as stack:
        console.print(f"{journeys.users} people for {journeys.seconds} s through {stack.url} …", highlight=False)
        rows = run_journeys(stack, journeys)
    print_summary(rows, seconds=journeys.seconds)
    return bool(rows) and all(row["num_failures"] == 0 for row in rows)


def run_journeys(stack: Stack, journeys: Journeys) -> list[dict[str, Any]]:
    """Run Locust against the system; its statistics, one row per kind of request.

    Raises:
        StackError: Locust couldn't run.
    """
    environment = {**inherited_environment(), "BOOKSTORE_STAFF_TOKEN": _staff_token(stack)}
    if journeys.rate is not None:
        environment["BOOKSTORE_LOAD_RATE_PER_USER"] = str(journeys.rate / journeys.users)
    with tempfile.TemporaryDirectory() as folder:
        statistics = Path(folder) / "statistics.json"
        command = [
            *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", stack.url),
            *("--users", str(journeys.users), "--spawn-rate", str(max(journeys.users / 2, 1))),
            *("--run-time", f"{journeys.seconds}s", "--stop-timeout", "15"),
            *("--json-file", str(statistics.with_suffix("")), "--only-summary", "--loglevel", "WARNING"),
            *("--exit-code-on-error", "0"),
        ]
        done = _run_to_its_end(command, environment=environment, folder=folder, seconds=journeys.seconds)
        if done.returncode != 0 or not statistics.exists():
            raise StackError(f"Locust failed: {(done.stderr or done.stdout).strip()[-500:]}")
        rows: list[dict[str, Any]] = json.loads(statistics.read_text(encoding="utf-8"))
    if any(row["num_failures"] for row in rows):
        console.print(done.stderr.strip(), style="yellow", markup=False, highlight=False)  # with each error's words
    return rows


def _run_to_its_end(
    command: Sequence[str], *, environment: Mapping[str, str], folder: str, seconds: int
) -> subprocess.CompletedProcess[str]:
    """Run Locust, and show how much of its time is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with (
        Progress(*columns, console=errors, transient=True) as progress,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as locust,
    ):
        bar = progress.add_task("people are in the shop", total=seconds)
        try:
            while (elapsed := time.monotonic() - began) < seconds + _SPARE_SECONDS:
                progress.update(bar, completed=elapsed)
                with suppress(subprocess.TimeoutExpired):
                    said, complained = locust.communicate(timeout=0.5)
                    return subprocess.CompletedProcess(command, locust.returncode, said, complained)
        finally:
            locust.kill()  # which nobody notices who has ended
    raise StackError("Locust doesn't come to an end")


def open_page(stack: Stack) -> None:
    """Become Locust with its own page, at http://127.0.0.1:8089; doesn't return."""
    environment = {**inherited_environment(), "BOOKSTORE_STAFF_TOKEN": _staff_token(stack)}
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", stack.url, "--web-host", "127.0.0.1"]
    os.execve(sys.executable, command, environment)  # noqa: S606  no shell is wanted


def print_summary(rows: list[dict[str, Any]], *, seconds: float) -> None:
    """One line per kind of request, for a person."""
    table = Table(header_style="bold")
    table.add_column("request")
    for heading in ("sent", "failed", "per second", "median ms", "p95 ms", "p99 ms", "longest ms"):
        table.add_column(heading, justify="right")
    for row in sorted(rows, key=lambda one: (one["method"], one["name"])):
        failed = row["num_failures"]
        table.add_row(
            f"{row['method']} {row['name']}",
            *(f"{row['num_requests']:,}", f"[red]{failed}[/]" if failed else "0"),
            f"{row['num_requests'] / seconds:,.1f}",
            *(f"{quantile(row['response_times'], share):,.0f}" for share in (0.5, 0.95, 0.99)),
            f"{row['max_response_time']:,.0f}",
        )
    console.print(table)
    sent, failed = sum(row["num_requests"] for row in rows), sum(row["num_failures"] for row in rows)
    console.print(f"{sent:,} requests, {failed:,} failed.", highlight=False)


def quantile(counts: dict[str, int], share: float) -> float:
    """The response time in milliseconds that this share of the requests doesn't exceed, from Locust's histogram."""
    wanted, seen = share * sum(counts.values()), 0
    for milliseconds, count in sorted((float(key), count) for key, count in counts.items()):
        seen += count
        if seen >= wanted:
            return milliseconds
    return 0.0


def _staff_token(stack: Stack) -> str:
    return access_token(stack, role="staff", seconds=_TOKEN_SECONDS)
