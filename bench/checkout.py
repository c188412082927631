"""Orders a second through HAProxy, beside a bare loop that does the same transaction's writes."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from bson import json_util
from pymongo import MongoClient

from bench.lags import Lags, lags_since
from bench.machine import require_wrk, this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import Result, progress_over
from bench.shop import API, Shop, open_shop, synthetic
from bench.wrk import Sample, run_wrk
from stack.environment import inherited_environment
from stack.errors import StackError
from stack.profile import KINDS
from stack.tokens import access_token

CLIENTS: Final = (8, 32, 128)
TITLES: Final = 1_000
GROWING_CLIENTS: Final = 32
PAYING_CLIENTS: Final = (8, 32)
TO_BARE: Final = 0.5
HOT_TO_SPREAD: Final = 0.4
FLAT: Final = 0.85
"""An order may cost 15 % more among many books."""
LATEST_SECONDS: Final = 1.0

LEAD_SECONDS: Final = 2.0
"""Answers count when so much time has passed: every client is at work then, and stays so until the end. Counted from
the beginning, 128 clients who wait a second each had lost 128 answers of some 500."""

_COPIES: Final = 10_000_000
_SCRIPT: Final = Path(__file__).with_name("orders.lua")
_DAY: Final = 86_400
_FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)
_CARD: Final = "pm_card_visa"


@dataclass(frozen=True)
class _Till:
    """A shop with books that never run out, and one order's rows to copy."""

    shop: Shop
    token: str
    books: list[str]
    rows: dict[str, dict[str, Any]]

    def order(self, books: Sequence[str], *, clients: int, seconds: float, pay_by: str = "") -> Sample:
        """Order these books through HAProxy; pay with the same request where a payment method is given."""
        file = self.shop.profile.run / "orders.txt"
        lines = [self.token, uuid.uuid4().hex, pay_by, str(time.time() + LEAD_SECONDS), *books]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return run_wrk(
            self.shop.stack.url,
            file,
            seconds=LEAD_SECONDS + seconds,
            connections=clients,
            threads=min(clients, 2),
            script=_SCRIPT,
        )

    def write(self, books: Sequence[str], *, clients: int, seconds: float) -> Sample:
        """Write what orders of these books write, from as many processes as the shop has replicas."""
        replicas = len(self.shop.replica_urls)
        shares = [clients // replicas + (number < clients % replicas) for number in range(replicas)]
        environment = {**inherited_environment(), **self.shop.stack.environment}
        command = (sys.executable, "-m", "bench.contenders.bare_checkout")
        loops = [
            # Each in a session of its own, as each part of the shop is (`bench.serving`).
            subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            for _ in shares
        ]
        count_from = time.time() + LEAD_SECONDS
        when = {"count_from": count_from, "until": count_from + seconds}
        for loop, share in zip(loops, shares, strict=True):
            job = {"clients": share, **when, "books": list(books), "rows": self.rows}
            assert loop.stdin is not None
            loop.stdin.write(json_util.dumps(job))
            loop.stdin.close()
            loop.stdin = None
        took = sorted(one for loop in loops for one in json_util.loads(loop.communicate()[0] or "[]"))
        if any(loop.returncode for loop in loops):
            raise StackError("the bare loop failed")
        if not took:
            return Sample(0, 0, 0, 0, 0)
        return Sample(len(took) / seconds, took[len(took) // 2], took[int(len(took) * 0.99)], len(took), 0)


def checkout(*, seconds: float, rounds: int, sizes: Sequence[int], command: str) -> Report:
    """Measure, and return the report."""
    require_wrk()
    machine = this_machine()
    results: dict[str, Result] = {}
    lags: dict[int, Lags] = {}
    for number, size in enumerate(sizes):
        # Everything runs: letters are sent and the gateway is asked, as when people buy.
        with open_shop(synthetic(size), parts=KINDS) as shop:
            till = _open_till(shop)
            contenders = _contenders(till) if number == 0 else {}
            contenders[_sized(size)] = _ordering(till, till.books, GROWING_CLIENTS)
            results |= _measure(contenders, seconds=seconds, rounds=rounds)
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


def _pay(till: _Till, *, clients: int, seconds: float) -> tuple[Result, Lags]:
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


def _contenders(till: _Till) -> dict[str, Callable[[float], Sample]]:
    found: dict[str, Callable[[float], Sample]] = {}
    for clients in CLIENTS:
        found[_named("bare loop, spread", clients)] = _writing(till, till.books, clients)
        found[_named("shop, spread", clients)] = _ordering(till, till.books, clients)
        found[_named("bare loop, one title", clients)] = _writing(till, till.books[:1], clients)
        found[_named("shop, one title", clients)] = _ordering(till, till.books[:1], clients)
    return found


def _ordering(till: _Till, books: Sequence[str], clients: int) -> Callable[[float], Sample]:
    return lambda seconds: till.order(books, clients=clients, seconds=seconds)


def _writing(till: _Till, books: Sequence[str], clients: int) -> Callable[[float], Sample]:
    return lambda seconds: till.write(books, clients=clients, seconds=seconds)


def _measure(contenders: dict[str, Callable[[float], Sample]], *, seconds: float, rounds: int) -> dict[str, Result]:
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    with progress_over(rounds * len(contenders)) as advance:
        for number in range(rounds):
            for name, run in contenders.items():
                advance(f"round {number + 1} of {rounds}: {name}")
                samples[name].append(run(seconds))
    return {name: Result(name, tuple(taken)) for name, taken in samples.items()}


def _open_till(shop: Shop) -> _Till:
    environment = shop.stack.environment
    token = access_token(shop.stack, role="customer", seconds=_DAY)
    shop.forget_orders()
    shop.wait_until_idle()
    books = shop.popular_ids(TITLES)
    with MongoClient[dict[str, Any]](environment["BOOKSTORE_MONGO_URL"]) as client:
        database = client[environment["BOOKSTORE_MONGO_DATABASE"]]
        plenty = {"on_hand": _COPIES, "held": 0, "sold": 0, "received": _COPIES}
        database["inventory"].update_many({"_id": {"$in": books}}, {"$set": plenty})
        placed = httpx.post(
            f"{shop.stack.url}{API}/orders",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex},
            json={
                "items": [{"book_id": books[0], "quantity": 1}],
                "shipping_address": {
                    "name": "A",
                    "line1": "B",
                    "city": "C",
                    "postal_code": "D",
                    "country": "GB",
                },
            },
            timeout=15,
        )
        if placed.status_code != httpx.codes.CREATED:
            raise StackError(f"the shop answers {placed.status_code} to an order: {placed.text[:300]}")
        order_id = placed.json()["id"]
        about = {"orders": "_id", "payments": "order_id", "outbox_events": "subject", "stock_movements": "order_id"}
        rows = {name: database[name].find_one({field: order_id}) or {} for name, field in about.items()}
        rows["idempotency_keys"] = database["idempotency_keys"].find_one({}, sort=[("created_at", -1)]) or {}
        # Copies that are in the same indexes, and that the shop's own workers leave alone for many years.
        rows["payments"] |= {"ask_at": _FAR, "intent_id": None, "client_secret": None}
        rows["orders"] |= {"expires_at": _FAR}
    return _Till(shop, token, books, rows)


def _row(result: Result) -> list[Cell]:
    return [result.name, result.per_second, result.p50_ms, result.p99_ms]
