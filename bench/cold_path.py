"""Measures reads that HAProxy doesn't answer: from Redis, and from MongoDB, each beside the least that could do it.

One process each, asked without HAProxy. For "both caches bypassed" a replica of its own runs without any Redis: its
breaker stays open, and every read goes to MongoDB.
"""

from contextlib import ExitStack
from typing import Final

from bench.beside import contender_redis, keep_bodies
from bench.machine import require_wrk, this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import Contender, Result, measure, warm_up
from bench.serving import free_ports, replica_without_redis, uvicorn
from bench.shop import API, HOT_BOOKS, Catalogue, open_shop, ten_thousand
from bench.wrk import Asked, write_requests

REDIS_GET: Final = "bare callable with one Redis GET"
SHARED: Final = "shop: answered from Redis"
FIND_ONE: Final = "bare callable with one find_one"
COLD: Final = "shop: answered from MongoDB"
BAR: Final = 0.6

_BESIDE: Final = {SHARED: REDIS_GET, COLD: FIND_ONE}
_CONNECTIONS: Final = 32
_BOOKS: Final = 10_000


def cold_path(*, seconds: float, rounds: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure, and return the report."""
    require_wrk()
    machine = this_machine()
    with open_shop(catalogue or ten_thousand()) as shop, ExitStack() as running:
        ours = shop.stack.environment
        logs, run = shop.profile.logs, shop.profile.run
        redis_port, mongo_port, cold_port, nowhere = free_ports(4)
        keep_bodies(shop, shop.hot_books())
        ids = shop.popular_ids(_BOOKS)
        hot = write_requests(run / "hot.txt", [Asked(f"{API}/books/{one}") for one in ids[:HOT_BOOKS]])
        # Each book is asked for once in a long while, so that nobody can share another's read.
        cold = write_requests(run / "cold.txt", [Asked(f"{API}/books/{one}") for one in ids])
        beside = ours | {"BENCH_REDIS": contender_redis(shop), "BENCH_MONGO": ours["BOOKSTORE_MONGO_URL"]}
        for app, port in (("redis_get", redis_port), ("find_one", mongo_port)):
            running.enter_context(uvicorn(f"bench.contenders.{app}:app", port=port, environment=beside, logs=logs))
        running.enter_context(replica_without_redis(port=cold_port, nowhere=nowhere, environment=ours, logs=logs))
        contenders = [
            Contender(REDIS_GET, f"http://127.0.0.1:{redis_port}", hot, connections=_CONNECTIONS, threads=1),
            Contender(SHARED, shop.replica_urls[0], hot, connections=_CONNECTIONS, threads=1),
            Contender(FIND_ONE, f"http://127.0.0.1:{mongo_port}", cold, connections=_CONNECTIONS, threads=1),
            Contender(COLD, f"http://127.0.0.1:{cold_port}", cold, connections=_CONNECTIONS, threads=1),
        ]
        warm_up(contenders)
        results = measure(contenders, seconds=seconds, rounds=rounds)
    failed = sum(result.failed for result in results.values())
    return Report(
        title=f"Cold path: {rounds} rounds of {seconds:g} s each, {_CONNECTIONS} connections, one process, no HAProxy",
        command=command,
        machine=machine,
        columns=("", "requests/s", "ratio", "p50 ms", "p99 ms", "bar"),
        rows=[_row(result, results) for result in results.values()],
        bars=[
            *(Bar(f"{name}, beside the {_BESIDE[name]}", _ratio(results, name), at_least=BAR) for name in _BESIDE),
            Bar("failed requests", failed, at_most=0),
        ],
        notes=["from MongoDB: a replica without any Redis, 10,000 books in turn"],
    )


def _ratio(results: dict[str, Result], name: str) -> float:
    return results[name].ratio_to(results[_BESIDE[name]])


def _row(result: Result, results: dict[str, Result]) -> list[Cell]:
    compared = result.name in _BESIDE
    return [
        result.name,
        result.per_second,
        _ratio(results, result.name) if compared else None,
        result.p50_ms,
        result.p99_ms,
        f"≥ {BAR}" if compared else None,
    ]
