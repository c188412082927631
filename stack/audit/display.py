"""Shows what an audit found, for a person."""

from app.models.idempotency_key import KEPT_FOR as ANSWERS_KEPT_FOR
from app.models.outbox_event import KEPT_FOR
from stack.audit.findings import Invariant, Verdict
from stack.display import console


def show(verdict: Verdict) -> None:
    """Print each invariant with what breaks it, and how much was looked at."""
    for invariant in Invariant:
        broken = [finding for finding in verdict.findings if finding.invariant is invariant]
        word = "[red]BROKEN[/]" if broken else "[green]holds[/]"
        console.print(f"{word}  {invariant.value}", highlight=False)
        for finding in broken:
            console.print(f"  {finding.subject}: {finding.fault}: {finding.says}", markup=False, highlight=False)
    console.print(
        f"I4 is judged of orders paid within {KEPT_FOR.days} days: for so long is known which letters were asked for; "
        f"I1's 'once' of orders placed within {ANSWERS_KEPT_FOR.days}: for so long answers are kept under their keys.",
        highlight=False,
    )
    counts = verdict.counts
    console.print(
        f"Looked at {counts.books:,} books, {counts.orders:,} orders ({counts.paid_orders:,} were paid), "
        f"{counts.payments:,} payments, {counts.refunds:,} refunds and {counts.letters:,} letters; "
        f"{verdict.rounds} time{'s' if verdict.rounds > 1 else ''}.",
        highlight=False,
    )
    elsewhere = f", and {money(counts.given_elsewhere)} was given back without it" if counts.given_elsewhere else ""
    console.print(
        f"The gateway took {money(counts.taken)} by {counts.charges:,} charges and gave back "
        f"{money(counts.given_back)}{elsewhere}; the books say {money(counts.entered_in)} and "
        f"{money(counts.entered_out)}.",
        highlight=False,
    )


def show_unsettled(findings: int, seconds: float) -> None:
    """Say why there is no verdict yet."""
    what = "1 thing doesn't" if findings == 1 else f"{findings:,} things don't"
    why = f"{what} agree yet, as while work is under way"
    console.print(f"{why}; looking again for up to {seconds:g} s …", highlight=False)


def money(minor_units: int) -> str:
    """Return an amount as people write it."""
    return f"{minor_units // 100:,}.{minor_units % 100:02}"
