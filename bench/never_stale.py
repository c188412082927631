"""Looks for stale reads in a whole system, through HAProxy and three replicas, in as many reads as wanted."""

import asyncio
import time

from bench.machine import this_machine
from bench.report import Bar, Report
from bench.staleness import Findings, Search
from stack.display import console
from stack.profile import throwaway_profile
from stack.running import running_stack
from stack.tokens import access_token
from stack.up import Progress

_TOO_LONG_SECONDS = 1800.0
_SAID_EVERY_SECONDS = 10.0


def never_stale(*, reads: int, command: str) -> Report:
    """Start a system, check so many reads beside writes, and report; the bars are no stale and no failed read."""
    machine = this_machine()
    with Progress() as progress, running_stack(throwaway_profile("bench-stale"), listener=progress.show) as stack:
        progress.close()
        search = Search(stack.url, access_token(stack, role="staff", seconds=3600), seed=time.time_ns())
        found = asyncio.run(_run(search, reads))
    levels: dict[str, int] = {}
    for by, count in found.answered_by.items():
        level = by.split(";")[0] + (" (hit)" if "hit" in by else " (built)")
        levels[level] = levels.get(level, 0) + count
    return Report(
        title=f"Stale reads among {found.reads:,} checked, beside {found.writes:,} acknowledged price changes",
        command=command,
        machine=machine,
        columns=("answered by", "reads checked"),
        rows=[(level, count) for level, count in sorted(levels.items())],
        bars=[
            Bar("stale reads", len(found.stale), at_most=0),
            Bar("failed reads", sum(found.failed_reads.values()), at_most=0),
            Bar("reads checked", found.reads, at_least=reads),
        ],
        notes=[f"stale: {one}" for one in found.stale[:10]] + [f"longest write: {found.longest_write:.3f} s"],
        facts={"reads": found.reads, "writes": found.writes, "stale": len(found.stale)},
    )


async def _run(search: Search, reads: int) -> Findings:
    running = asyncio.create_task(search.run(reads=reads, writes=reads // 500, seconds=_TOO_LONG_SECONDS))
    while not running.done():
        await asyncio.wait([running], timeout=_SAID_EVERY_SECONDS)
        seen = search.findings
        console.print(f"{seen.reads:,} reads, {seen.writes:,} writes, {len(seen.stale)} stale", highlight=False)
    return await running
