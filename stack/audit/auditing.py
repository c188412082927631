"""Audits a running system: looks, and looks again at what seemed wrong, since work is always under way."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from stack.audit.evidence import Evidence, gather
from stack.audit.findings import Counts, Finding, Verdict
from stack.audit.money import booked, judge_money
from stack.audit.orders import judge_letters, judge_orders
from stack.audit.stock import judge_stock
from stack.running import Stack

_PAUSE = 1.0


async def audit(stack: Stack, *, patience: float, tell: Callable[[int, float], None] | None = None) -> Verdict:
    """Return what doesn't agree, and goes on not agreeing for as long as patience lasts, in seconds.

    What is under way (a charge whose webhook is on its way, a letter in the queue) settles by itself; what is wrong
    stays wrong. So a finding counts only if every look had it. Where the first look has some and there is patience,
    `tell` hears how many, and for how many seconds there is.
    """
    until = time.monotonic() + patience
    evidence = await gather(stack)
    findings = judged(evidence)
    rounds = 1
    if findings and patience and tell:
        tell(len(findings), patience)
    while findings and time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
        evidence = await gather(stack)
        now = {finding: finding for finding in judged(evidence)}
        findings = [now[finding] for finding in findings if finding in now]
        rounds += 1
    return Verdict(findings, _counted(evidence), rounds)


def judged(evidence: Evidence) -> list[Finding]:
    """Return everything that doesn't agree in one look, sorted."""
    return sorted({*judge_stock(evidence), *judge_orders(evidence), *judge_money(evidence), *judge_letters(evidence)})


def _counted(evidence: Evidence) -> Counts:
    entered: Counter[str] = Counter()
    for entry in evidence.entries:
        side, amount = booked(entry)
        entered[side] += amount
    return Counts(
        books=len(evidence.stocks),
        orders=len(evidence.orders),
        paid_orders=sum(any(entry["kind"] == "paid" for entry in order["history"]) for order in evidence.orders),
        payments=len(evidence.payments),
        charges=len(evidence.charges),
        refunds=len(evidence.refunds),
        letters=len(evidence.letters),
        taken=sum(charge.received for charge in evidence.charges),
        given_back=sum(charge.refunded for charge in evidence.charges),
        given_elsewhere=sum(refund["amount"] for refund in evidence.refunds if refund["elsewhere"]),
        entered_in=entered["in"],
        entered_out=entered["out"],
    )
