"""Measures uncached search with facets: at ten thousand books, and how it grows with the catalogue."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import MongoClient

from bench.machine import this_machine
from bench.queries import API, Measured, measure, run
from bench.report import Bar, Cell, Report
from bench.serving import free_ports, replica_without_redis
from bench.shop import Catalogue, Shop, open_shop, synthetic, ten_thousand
from stack.display import errors

CLIENTS: Final = 8
ALL: Final = "all kinds"
SUGGEST: Final = "suggest"
SLOWEST_P95_MS: Final = 40
MOST_GROWTH: Final = 4

_CATEGORIES: Final = "categories"
_CATEGORY_REQUESTS: Final = 30


def search(*, requests: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure each kind of query at ten thousand books, and return the report."""
    machine = this_machine()
    with open_shop(catalogue or ten_thousand()) as shop:
        results = _measured(shop, requests)
        name = shop.catalogue.name
    p95 = next(one.p95 for one in results if one.what == ALL)
    return Report(
        title=f"Search with facets, uncached, {name}, {CLIENTS} clients, three replicas, no HAProxy",
        command=command,
        machine=machine,
        columns=("", "requests", "requests/s", "p50 ms", "p95 ms", "p99 ms", "longest ms"),
        rows=[_row(one) for one in results],
        bars=[Bar("search with facets, p95", p95, at_most=SLOWEST_P95_MS, unit=" ms")],
        notes=["no query is asked twice; one of each kind of the judged queries' kinds, in equal shares"],
    )


@dataclass(frozen=True)
class _Size:
    books: int
    searched: Measured
    suggested: Measured
    categories: Measured
    books_mib: float
    indexes_mib: dict[str, float]
    api_mib: float
    mongod_mib: float


def scale(*, sizes: Sequence[int], requests: int, command: str) -> Report:
    """Measure search at each size, the smallest first, and return the report."""
    machine = this_machine()
    measured: list[_Size] = []
    for books in sorted(sizes):
        errors.print(f"{books:,} books", highlight=False)
        with open_shop(synthetic(books)) as shop:
            results = {one.what: one for one in _measured(shop, requests)}
            categories = _categories(shop)
            stored = _stored(shop)
            measured.append(
                _Size(
                    books=books,
                    searched=results[ALL],
                    suggested=results[SUGGEST],
                    categories=categories,
                    books_mib=stored["size"] / 2**20,
                    indexes_mib={name: round(size / 2**20, 2) for name, size in stored["indexSizes"].items()},
                    api_mib=max(shop.resident_mib("api").values()),
                    mongod_mib=max(shop.resident_mib("mongod").values()),
                )
            )
    growth = measured[-1].searched.p95 / measured[0].searched.p95
    name = f"p95 at {measured[-1].books:,} books beside {measured[0].books:,}"
    return Report(
        title=f"Search with facets as the catalogue grows (made-up books), uncached, {CLIENTS} clients",
        command=command,
        machine=machine,
        columns=(
            "books", "p50 ms", "p95 ms", "p99 ms", "suggest p95 ms", "categories p95 ms",
            "books MiB", "indexes MiB", "search.terms MiB", "API MiB", "mongod MiB",
        ),
        rows=[_size_row(one) for one in measured],
        bars=[Bar(name, growth, at_most=MOST_GROWTH)],
        notes=[
            "categories: the whole tree with its counts, one client, a replica without any Redis",
            "MiB: data before compression, indexes as stored, the largest resident process of each kind",
        ],
        facts={"indexes_mib": {one.books: one.indexes_mib for one in measured}},
    )  # fmt: skip


def _measured(shop: Shop, requests: int) -> list[Measured]:
    warm = asyncio.run(run(urls=shop.replica_urls, clients=CLIENTS, requests=max(requests // 5, 22), seed=1))
    errors.print(f"warmed up with {sum(one.requests for one in warm):,} requests", highlight=False)
    return asyncio.run(run(urls=shop.replica_urls, clients=CLIENTS, requests=requests, seed=int(time.time())))


def _categories(shop: Shop) -> Measured:
    """Ask for the tree of categories with how many books each holds, counted by MongoDB every time."""
    port, nowhere = free_ports(2)
    paths = [f"{API}/categories"] * _CATEGORY_REQUESTS
    with replica_without_redis(port=port, nowhere=nowhere, environment=shop.stack.environment, logs=shop.profile.logs):
        return asyncio.run(measure(_CATEGORIES, paths, urls=[f"http://127.0.0.1:{port}"], clients=1))


def _stored(shop: Shop) -> dict[str, Any]:
    environment = shop.stack.environment
    client: MongoClient[dict[str, Any]] = MongoClient(environment["BOOKSTORE_MONGO_URL"])
    with client:
        return client[environment["BOOKSTORE_MONGO_DATABASE"]].command("collStats", "books")


def _row(one: Measured) -> list[Cell]:
    return [one.what, one.requests, one.per_second, one.p50, one.p95, one.p99, one.longest]


def _size_row(one: _Size) -> list[Cell]:
    terms = sum(size for name, size in one.indexes_mib.items() if name.startswith("search.terms"))
    return [
        f"{one.books:,}", one.searched.p50, one.searched.p95, one.searched.p99, one.suggested.p95, one.categories.p95,
        one.books_mib, sum(one.indexes_mib.values()), terms, one.api_mib, one.mongod_mib,
    ]  # fmt: skip
