"""`demo failover`: hits the primary under load, and shows what clients noticed and what the databases kept."""

import asyncio
import json
from pathlib import Path

from rich.table import Table

from stack.demo.html import write_html
from stack.demo.png import write_png
from stack.demo.report import Report, judge
from stack.demo.scenario import WHAT_HAPPENS, Plan, Scenario
from stack.demo.views import Board
from stack.display import console
from stack.load.run import run_under_load
from stack.load.target import system_at_hand
from stack.running import Stack

_BUSY_SECONDS = 0.1


def show_failover(plan: Plan, *, json_file: Path | None, html_file: Path | None, png_file: Path | None) -> bool:
    """Run the demo, print the verdict, write the files asked for; True where every invariant held."""
    with system_at_hand() as stack:
        report = asyncio.run(fail_over(stack, plan, board=Board(console, title=_title(plan))))
    print_report(report)
    for file, write in ((json_file, write_json), (html_file, write_html), (png_file, write_png)):
        if file is not None:
            write(report, file)
            console.print(f"wrote {file}", highlight=False)
    return report.holds


async def fail_over(stack: Stack, plan: Plan, *, board: Board | None = None) -> Report:
    """Hit the primary as planned, under load, and judge the outcome; the system is whole again afterwards."""
    scenario = Scenario(plan)
    run = await run_under_load(stack, scenario, rate=plan.rate, watch=board.watch if board else None)
    return judge(run, scenario)


def write_json(report: Report, file: Path) -> None:
    """All numbers, for programs."""
    file.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")


def print_report(report: Report) -> None:
    """The verdict, for a person."""
    console.print()
    console.print(_requests(report))
    for group in report.failures:
        found = ", ".join(f"{count} {outcome}" for outcome, count in group.on_repeat.items())
        console.print(f"{sum(group.on_repeat.values())} times {group.kind}: {group.outcome}; on repeat: {found}")
    if not report.failures:
        console.print("Not one request failed.")
    console.print()
    election = report.election_seconds
    if election is not None:
        console.print(f"Another node could take writes {election:.2f} s after the fault.", highlight=False)
    for bar in report.bars:
        verdict = "[green]met[/]" if bar.is_met else "[yellow]missed[/]"
        console.print(f"{verdict}     {bar.name}: {bar.value:g} {bar.unit} (bar: {bar.limit:g})", highlight=False)
    if report.longest_pause > _BUSY_SECONDS:
        console.print(
            f"           (the load generator itself was held up for {report.longest_pause:.2f} s: a busy machine)"
        )
    console.print(f"           (before the fault: {report.gap_before.seconds:.3f} s)", highlight=False)
    for check in report.checks:
        verdict = "[green]holds[/]" if check.holds else "[red]BROKEN[/]"
        console.print(f"{verdict}   {check.name}: {check.count}", highlight=False)
    nodes = ", ".join(f"{node} {found:,}" for node, found in report.nodes.items())
    console.print(f"Of {report.acknowledged_writes:,} acknowledged writes each node has: {nodes}.", highlight=False)
    console.print(f"{report.checked_reads:,} reads were checked for staleness.", highlight=False)
    for detail in report.details:
        console.print(f"  {detail}", style="red", highlight=False, markup=False)


def _requests(report: Report) -> Table:
    table = Table(header_style="bold")
    table.add_column("requests")
    for heading in ("sent", "failed at first", "median ms", "p99 ms", "longest ms"):
        table.add_column(heading, justify="right")
    table.add_column("answered by")
    for kind in report.kinds:
        by = ", ".join(f"{who} {count}" for who, count in sorted(kind.answered_by.items()))
        numbers = (kind.sent, kind.failed, kind.median_ms, kind.p99_ms, kind.longest_ms)
        table.add_row(kind.kind, *(f"{number:,}" for number in numbers), by)
    return table


def _title(plan: Plan) -> str:
    return f"The primary is {WHAT_HAPPENS[plan.blow]} at {plan.fault_at:.0f} s, under {plan.rate:g} requests/s"
