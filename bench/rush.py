"""A thousand buyers of ten copies, all at once: how many are sold, and how long the others wait to hear it."""

import asyncio
import random
import statistics
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pymongo import MongoClient

from bench.machine import this_machine
from bench.report import Bar, Report
from bench.rounds import progress_over
from bench.shop import ADDRESS, API, Catalogue, Shop, open_shop, synthetic
from stack.load.exchange import Exchange, Lost
from stack.profile import KINDS
from stack.tokens import access_token

COPIES: Final = 10
LOSERS_SECONDS: Final = 2.0

_SOLD: Final = 201
_UNKNOWN: Final = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Outcome:
    """What the buyers of one title heard, in seconds from their first request."""

    winners: list[float]
    losers: list[float]
    other: list[int]
    again: int


def rush(*, rounds: int, buyers: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure, and return the report."""
    machine = this_machine()
    with open_shop(catalogue or synthetic(10_000), parts=KINDS) as shop, progress_over(rounds) as advance:
        shop.forget_orders()
        token = access_token(shop.stack, role="customer")
        outcomes = []
        for number, book in enumerate(shop.popular_ids(rounds)):
            advance(f"round {number + 1} of {rounds}")
            _stock(shop, book)
            outcomes.append(asyncio.run(_run(shop, book, token=token, buyers=buyers)))
    slowest = [max(one.losers, default=0.0) for one in outcomes]
    return Report(
        title=f"Rush: {buyers:,} buyers of {COPIES} copies at once, {rounds} rounds",
        command=command,
        machine=machine,
        columns=("", "sold", "refused", "otherwise", "asked again", "losers' median s", "slowest loser s"),
        rows=[
            (
                f"round {number}",
                len(one.winners),
                len(one.losers),
                len(one.other),
                one.again,
                statistics.median(one.losers) if one.losers else None,
                slow,
            )
            for number, (one, slow) in enumerate(zip(outcomes, slowest, strict=True), 1)
        ],
        bars=[
            Bar("sold too many or too few", sum(abs(len(one.winners) - COPIES) for one in outcomes), at_most=0),
            Bar("heard anything but yes or insufficient_stock", sum(len(one.other) for one in outcomes), at_most=0),
            Bar("slowest loser, median of rounds", statistics.median(slowest), at_most=LOSERS_SECONDS, unit=" s"),
        ],
        notes=["a buyer who is told 503 asks again with the same key; the time counts from the first request"],
    )


def _stock(shop: Shop, book: str) -> None:
    environment = shop.stack.environment
    with MongoClient[dict[str, Any]](environment["BOOKSTORE_MONGO_URL"]) as client:
        few = {"on_hand": COPIES, "held": 0, "sold": 0, "received": COPIES}
        client[environment["BOOKSTORE_MONGO_DATABASE"]]["inventory"].update_one({"_id": book}, {"$set": few})


async def _run(shop: Shop, book: str, *, token: str, buyers: int) -> Outcome:
    always = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = orjson.dumps({"items": [{"book_id": book, "quantity": 1}], "shipping_address": ADDRESS})
    outcome = Outcome([], [], [], 0)
    again = 0

    async def buy(exchange: Exchange) -> None:
        nonlocal again
        key, started = {"Idempotency-Key": uuid.uuid4().hex}, time.monotonic()
        while True:
            try:
                reply = await exchange.send("POST", f"{API}/orders", headers=key, body=body)
            except (Lost, TimeoutError):
                again += 1
                continue
            if reply.status not in _UNKNOWN:
                break
            again += 1
            await asyncio.sleep(random.random() * 0.2)
        seconds = time.monotonic() - started
        if reply.status == _SOLD:
            outcome.winners.append(seconds)
        elif orjson.loads(reply.body)["code"] == "insufficient_stock":
            outcome.losers.append(seconds)
        else:
            outcome.other.append(reply.status)

    async with Exchange("127.0.0.1", shop.profile.ports.haproxy, headers=always) as exchange:
        await asyncio.gather(*(buy(exchange) for _ in range(buyers)))
    return Outcome(outcome.winners, outcome.losers, outcome.other, again)
