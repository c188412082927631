"""`demo checkout-failover`: buys while the primary is killed, and audits every order, copy, cent and letter."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.audit.auditing import audit
from stack.audit.display import show, show_unsettled
from stack.audit.findings import Verdict
from stack.demo.failover import print_report
from stack.demo.report import Report, judge
from stack.demo.scenario import WHAT_HAPPENS, Plan, Scenario
from stack.demo.views import Board
from stack.display import console
from stack.load.run import run_under_load
from stack.load.target import system_at_hand
from stack.load.traffic import PURCHASES
from stack.running import Stack

PATIENCE = 90.0
"""Seconds: a lost webhook is repaired within 60."""


@dataclass(frozen=True)
class Checkout:
    """What clients saw of a failover while they bought, and what an audit of everything found afterwards."""

    report: Report
    verdict: Verdict
    orders: int

    @property
    def holds(self) -> bool:
        """Every acknowledged order is on every node, once, and the whole shop agrees."""
        return self.report.holds and self.verdict.holds

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"orders": self.orders, "audit": self.verdict.as_json(), **self.report.as_json()}


def show_checkout(plan: Plan, *, json_file: Path | None) -> bool:
    """Run the demo, print both verdicts, write the file asked for; True where every invariant held."""
    title = f"The primary is {WHAT_HAPPENS[plan.blow]} at {plan.fault_at:.0f} s, while people buy"
    with system_at_hand() as stack:
        outcome = asyncio.run(check_out(stack, plan, board=Board(console, title=title)))
    print_checkout(outcome)
    if json_file is not None:
        json_file.write_text(json.dumps(outcome.as_json(), indent=1) + "\n", encoding="utf-8")
        console.print(f"wrote {json_file}", highlight=False)
    return outcome.holds


async def check_out(stack: Stack, plan: Plan, *, board: Board | None = None) -> Checkout:
    """Buy at the plan's rate while the primary is hit, wait until all is settled, and audit."""
    scenario = Scenario(plan)
    watch = board.watch if board else None
    run = await run_under_load(stack, scenario, rate=plan.rate, pattern=PURCHASES, watch=watch)
    verdict = await audit(stack, patience=PATIENCE, tell=show_unsettled if board else None)
    return Checkout(judge(run, scenario), verdict, len(run.shop.bought))


def print_checkout(outcome: Checkout) -> None:
    """Both verdicts, for a person."""
    print_report(outcome.report)
    console.print()
    console.print(f"{outcome.orders:,} orders were acknowledged. The audit of the whole shop:", highlight=False)
    show(outcome.verdict)
