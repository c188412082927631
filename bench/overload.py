"""Asks three times as much as the shop can carry: what it does then beside its best, and when all is as it was."""

import asyncio
import itertools
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import orjson

from app.money import MAX_AMOUNT
from bench.machine import require_wrk, this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import progress_over
from bench.shop import ADDRESS, API, Catalogue, open_shop, synthetic
from bench.till import LEAD_SECONDS, ORDERS, Till, open_till
from bench.wrk import REQUESTS, Asked, Sample, run_wrk, write_requests
from stack.load.exchange import Exchange, Lost, Reply
from stack.profile import KINDS

TIMES: Final = 3
DONE: Final = 0.9
NORMAL_WITHIN_SECONDS: Final = 5.0

_PACED: Final = Path(__file__).with_name("paced.lua")
_BEST_CLIENTS: Final = 64
_PAUSE_SECONDS: Final = 2.0
"""Between two requests of a client, on average; at most twice that, since HAProxy hangs up on who connects and is
silent for 5 s."""

_MARGIN: Final = 1.1
"""The best may turn out better when it is measured again."""

_QUERIES: Final = 200_000
_PROBES_A_SECOND: Final = 10
_TWICE: Final = 2


@dataclass(frozen=True)
class _Work:
    """One kind of request: how wrk asks it, and how to ask it once, by a number that no other has."""

    name: str
    write: Callable[[], Path]
    script: Path
    once: Callable[[Exchange, int], Awaitable[Reply]]
    wait: float
    """How many seconds an answer takes at most under the flood, on average: of a slower one less would be asked."""


@dataclass(frozen=True)
class _Probe:
    """One request beside nothing else, in seconds since the first."""

    due: float
    latency: float
    succeeded: bool


@dataclass(frozen=True)
class _Outcome:
    """What one kind of work came to: the best is done before the flood and once more after it."""

    best: Sample
    flood: Sample
    again: Sample
    before: Sequence[_Probe]
    after: Sequence[_Probe]

    @property
    def asked(self) -> float:
        """How many times its best rate was asked of the shop."""
        return self.flood.per_second / self._best

    @property
    def done(self) -> float:
        """Work done under the flood, beside the best."""
        return _served(self.flood) / self._best

    @property
    def _best(self) -> float:
        # Of both: the machine may get slower, or faster, meanwhile.
        return (_served(self.best) + _served(self.again)) / 2

    @property
    def broken(self) -> int:
        """Requests that got neither an answer nor a refusal that says when to come again."""
        return self.flood.failed - self.flood.shed

    @property
    def normal_after(self) -> float:
        """Seconds after the flood until every answer was one again, and as fast as the slowest before it, or nearly."""
        normal = _TWICE * max(probe.latency for probe in self.before)
        odd = [probe.due + probe.latency for probe in self.after if not probe.succeeded or probe.latency > normal]
        return max(odd, default=0.0)


def overload(*, seconds: float, command: str, catalogue: Catalogue | None = None, watched: float = 10) -> Report:
    """Measure, and return the report; before and after each flood single requests are watched for so many seconds."""
    require_wrk()
    machine = this_machine()
    with open_shop(catalogue or synthetic(10_000), parts=KINDS) as shop:
        till = open_till(shop)
        kinds = (_searches(till), _orders(till))
        with progress_over(3 * len(kinds)) as advance:
            outcomes = {
                work.name: _measure(till, work, seconds=seconds, watched=watched, advance=advance) for work in kinds
            }
    return Report(
        title=f"Overload: {TIMES} times what the shop can carry, {seconds:g} s each",
        command=command,
        machine=machine,
        columns=("", "asked/s", "answered/s", "refused/s", "p50 ms", "p99 ms"),
        rows=[row for name, outcome in outcomes.items() for row in _rows(name, outcome)],
        bars=[bar for name, outcome in outcomes.items() for bar in _bars(name, outcome)],
        notes=["both are asked by the same script at its own pace; what it costs, it costs both"],
    )


def _measure(till: Till, work: _Work, *, seconds: float, watched: float, advance: Callable[[str], None]) -> _Outcome:
    advance(f"{work.name}: as many as it can")
    before = asyncio.run(_probe(till, work, first=0, seconds=watched))
    best = _best(till, work, seconds=seconds)
    advance(f"{work.name}: {TIMES} times as many")
    clients = math.ceil(_MARGIN * TIMES * _served(best) * (_PAUSE_SECONDS + work.wait))
    flood = _paced(till, work, clients=clients, pause=_PAUSE_SECONDS, lead=4 * _PAUSE_SECONDS, seconds=seconds)
    after = asyncio.run(_probe(till, work, first=len(before), seconds=watched))
    advance(f"{work.name}: as many as it can, again")
    return _Outcome(best, flood, _best(till, work, seconds=seconds), before, after)


def _best(till: Till, work: _Work, *, seconds: float) -> Sample:
    return _paced(till, work, clients=_BEST_CLIENTS, pause=0.0, lead=LEAD_SECONDS, seconds=seconds)


def _paced(till: Till, work: _Work, *, clients: int, pause: float, lead: float, seconds: float) -> Sample:
    requests = work.write()
    return run_wrk(
        till.shop.stack.url,
        requests,
        seconds=lead + seconds,
        connections=clients,
        threads=2,
        script=_PACED,
        arguments=(str(work.script), str(pause * 1000), str(time.time() + lead)),
    )


async def _probe(till: Till, work: _Work, *, first: int, seconds: float) -> list[_Probe]:
    begin = time.monotonic()

    async def ask(number: int) -> _Probe:
        due = number / _PROBES_A_SECOND
        await asyncio.sleep(begin + due - time.monotonic())
        try:
            succeeded = (await work.once(exchange, first + number)).status < httpx.codes.BAD_REQUEST
        except (Lost, TimeoutError):
            succeeded = False
        return _Probe(due, time.monotonic() - begin - due, succeeded)

    headers = {"Authorization": f"Bearer {till.token}"}
    async with Exchange("127.0.0.1", till.shop.profile.ports.haproxy, headers=headers) as exchange:
        return await asyncio.gather(*(ask(number) for number in range(round(_PROBES_A_SECOND * seconds))))


def _searches(till: Till) -> _Work:
    numbers = itertools.count()

    def target() -> str:
        return f"{API}/books/search?q=the+night&limit=5&price_max={MAX_AMOUNT - next(numbers)}"

    def write() -> Path:
        file = till.shop.profile.run / "searches.txt"
        return write_requests(file, (Asked(target()) for _ in range(_QUERIES)))

    async def once(exchange: Exchange, _: int) -> Reply:
        return await exchange.send("GET", target())

    return _Work("searches", write, REQUESTS, once, wait=2.8)


def _orders(till: Till) -> _Work:
    async def once(exchange: Exchange, number: int) -> Reply:
        book = till.books[number % len(till.books)]
        order = {"items": [{"book_id": book, "quantity": 1}], "shipping_address": ADDRESS}
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
        return await exchange.send("POST", f"{API}/orders", headers=headers, body=orjson.dumps(order))

    return _Work("orders", lambda: till.write_orders(till.books), ORDERS, once, wait=4.0)


def _served(sample: Sample) -> float:
    return sample.per_second * (1 - sample.failed / max(sample.requests, 1))


def _rows(name: str, outcome: _Outcome) -> list[list[Cell]]:
    samples = {
        f"{name}, as many as it can": outcome.best,
        f"{name}, {TIMES} times as many": outcome.flood,
        f"{name}, as many as it can, again": outcome.again,
    }
    return [
        [
            title,
            sample.per_second,
            _served(sample),
            sample.per_second * sample.shed / max(sample.requests, 1),
            sample.p50_ms,
            sample.p99_ms,
        ]
        for title, sample in samples.items()
    ]


def _bars(name: str, outcome: _Outcome) -> list[Bar]:
    return [
        Bar(f"{name}: asked, beside the best", outcome.asked, at_least=TIMES),
        Bar(f"{name}: done, beside the best", outcome.done, at_least=DONE),
        Bar(f"{name}: neither answered nor refused with Retry-After", outcome.broken, at_most=0),
        Bar(f"{name}: normal again after", outcome.normal_after, at_most=NORMAL_WITHIN_SECONDS, unit=" s"),
    ]
