"""Measures what one API replica costs: the time from its start until it is ready, and the memory that it holds."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode

import psutil

from bench.connection import Connection
from bench.machine import this_machine
from bench.queries import catalogue as shelved_books
from bench.queries import queries_of
from bench.report import Bar, Report
from bench.serving import free_ports, uvicorn
from bench.shop import API, Catalogue, Shop, open_shop, ten_thousand
from stack.errors import StackError

MOST_MIB: Final = 150
SLOWEST_START_SECONDS: Final = 3
_CLIENTS: Final = 8
_SEARCHES: Final = 500
_OK: Final = 200


def footprint(*, rounds: int, books: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure, and return the report."""
    machine = this_machine()
    with open_shop(catalogue or ten_thousand(), replicas=1) as shop:
        ids = shop.popular_ids(books)
        starts = [_start(shop) for _ in range(rounds)]
        with _replica(shop) as (url, pid):
            asyncio.run(_check_ready(url))
            process = psutil.Process(pid)
            fresh = _mib(process)
            asyncio.run(_ask(url, [f"{API}/books/{one}" for one in ids]))
            served = _mib(process)
            asyncio.run(_search(url))
            searched = _mib(process)
    seconds = median(starts)
    return Report(
        title=f"One API replica: {rounds} starts, then {len(ids):,} books read, then {_SEARCHES} searches",
        command=command,
        machine=machine,
        columns=("", "measured"),
        rows=[
            ["start to ready, s (median)", seconds],
            ["resident when ready, MiB", fresh],
            [f"resident after {len(ids):,} books, MiB", served],
            [f"resident after {_SEARCHES} searches more, MiB", searched],
        ],
        bars=[
            Bar("start to ready", seconds, at_most=SLOWEST_START_SECONDS, unit=" s"),
            Bar(f"resident after {len(ids):,} books", served, at_most=MOST_MIB, unit=" MiB"),
        ],
        facts={"starts_seconds": starts},
    )


@contextmanager
def _replica(shop: Shop) -> Iterator[tuple[str, int]]:
    (port,) = free_ports(1)
    environment = shop.stack.environment | {"BOOKSTORE_PROCESS_NAME": "api-bench"}
    logs: Path = shop.profile.logs
    with uvicorn("app.main:create_app", port=port, environment=environment, logs=logs, factory=True) as pid:
        yield f"http://127.0.0.1:{port}", pid


def _start(shop: Shop) -> float:
    started = time.monotonic()
    with _replica(shop) as (url, _):
        asyncio.run(_check_ready(url))
        return time.monotonic() - started


async def _check_ready(url: str) -> None:
    connection = Connection(url)
    status, body = await connection.get("/readyz")
    await connection.close()
    if status != _OK:
        raise StackError(f"a replica that has started isn't ready: {body.decode()}")


async def _ask(url: str, paths: Sequence[str]) -> None:
    remaining = iter(paths)

    async def client() -> None:
        connection = Connection(url)
        for path in remaining:
            status, body = await connection.get(path)
            if status != _OK:
                raise StackError(f"{path} answered {status}: {body[:200].decode()}")
        await connection.close()

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))


async def _search(url: str) -> None:
    queries = queries_of(await shelved_books(url), requests=_SEARCHES, seed=1)
    await _ask(url, [f"{API}/books/search?{urlencode({'q': one})}" for kind in queries.values() for one in kind])


def _mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)
