"""Orders a second through HAProxy, beside a bare loop that does the same transaction's writes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from bench.lags import Lags, lags_since
from bench.machine import require_wrk, this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import Result, in_rounds
from bench.shop import open_shop, synthetic
from bench.till import TITLES, Till, open_till
from bench.wrk import Sample
from stack.profile import KINDS

CLIENTS: Final = (8, 32, 128)
GROWING_CLIENTS: Final = 32
PAYING_CLIENTS: Final = (8, 32)
TO_BARE: Final = 0.5
HOT_TO_SPREAD: Final = 0.4
FLAT: Final = 0.85
"""An order may cost 15 % more among many books."""
LATEST_SECONDS: Final = 1.0

_CARD: Final = "pm_card_visa"


def checkout(*, seconds: float, rounds: int, sizes: Sequence[int], command: str) -> Report:
    """Measure, and return the report."""
    require_wrk()
    machine = this_machine()
    results: dict[str, Result] = {}
    lags: dict[int, Lags] = {}
    for number, size in enumerate(sizes):
        # Everything runs: letters are sent and the gateway is asked, as when people buy.
        with open_shop(synthetic(size), parts=KINDS) as shop:
            till = open_till(shop)
            contenders = _contenders(till) if number == 0 else {}
            contenders[_sized(size)] = _ordering(till, till.books, GROWING_CLIENTS)
            results |= in_rounds(contenders, seconds=seconds, rounds=rounds)
            if number == 0:
                for clients in PAYING_CLIENTS:
                    results[_paid(clients)], lags[clients] = _pay(till, clients=clients, seconds=seconds)
    grown = [results[_sized(size)] for size in sizes]
    failed = sum(result.failed for result in results.values())
    return Report(
        title=f"Checkout: {rounds} rounds of {seconds:g} s each; one copy an order, at {sizes[0]:,} books",
        command=command,
        machine=machine,
        columns=("", "orders/s", "p50 ms", "p99 ms"),
        rows=[_row(result) for result in results.values()],
        bars=[
            *(
                Bar(
                    f"{clients} clients: beside the bare loop",
                    results[_named("shop, spread", clients)].ratio_to(results[_named("bare loop, spread", clients)]),
                    at_least=TO_BARE,
                )
                for clients in CLIENTS
            ),
            *(
                Bar(
                    f"{clients} clients: one title beside {TITLES:,}",
                    results[_named("shop, one title", clients)].ratio_to(results[_named("shop, spread", clients)]),
                    at_least=HOT_TO_SPREAD,
                )
                for clients in CLIENTS
            ),
            *(
                Bar(
                    f"{size:,} books beside {sizes[0]:,}",
                    result.ratio_to(grown[0]),
                    at_least=FLAT,
                )
                for size, result in list(zip(sizes, grown, strict=True))[1:]
            ),
            *(
                Bar(f"{clients} clients who pay: {what}, p99", late, at_most=LATEST_SECONDS, unit=" s")
                for clients, lag in lags.items()
                for what, late in zip(("event", "letter"), lag.worst, strict=True)
            ),
            Bar("orders that failed", failed, at_most=0),
        ],
        notes=[
            "the shop also makes each order's PaymentIntent at the stand-in for Stripe",
            f"{sum(len(lag.letters) for lag in lags.values()):,} payments and letters, each so late after its commit",
        ],
    )


def _pay(till: Till, *, clients: int, seconds: float) -> tuple[Result, Lags]:
    """Let everybody pay at once, and see when the events and letters of that have arrived."""
    begun = datetime.now(UTC)
    sample = till.order(till.books, clients=clients, seconds=seconds, pay_by=_CARD)
    return Result(_paid(clients), (sample,)), lags_since(till.shop, begun)


def _paid(clients: int) -> str:
    return f"shop, spread, {clients} clients who pay at once"


def _named(who: str, clients: int) -> str:
    return f"{who}, {clients} clients"


def _sized(size: int) -> str:
    return f"shop of {size:,} books, {GROWING_CLIENTS} clients"


def _contenders(till: Till) -> dict[str, Callable[[float], Sample]]:
    found: dict[str, Callable[[float], Sample]] = {}
    for clients in CLIENTS:
        found[_named("bare loop, spread", clients)] = _writing(till, till.books, clients)
        found[_named("shop, spread", clients)] = _ordering(till, till.books, clients)
        found[_named("bare loop, one title", clients)] = _writing(till, till.books[:1], clients)
        found[_named("shop, one title", clients)] = _ordering(till, till.books[:1], clients)
    return found


def _ordering(till: Till, books: Sequence[str], clients: int) -> Callable[[float], Sample]:
    return lambda seconds: till.order(books, clients=clients, seconds=seconds)


def _writing(till: Till, books: Sequence[str], clients: int) -> Callable[[float], Sample]:
    return lambda seconds: till.write(books, clients=clients, seconds=seconds)


def _row(result: Result) -> list[Cell]:
    return [result.name, result.per_second, result.p50_ms, result.p99_ms]
