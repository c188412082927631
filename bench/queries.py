"""Asks search with facets, uncached, what nobody asked before, and says how long the clients waited."""

import asyncio
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from bench.connection import Connection
from stack.errors import StackError
from tests.search.judged_queries import Shelved, draw

API: Final = "/api/v1"
FACETS: Final = "category,author,language,format,price,rating"
_SORTS: Final = ("-popularity", "price", "title", "-rating", "-published_year")
_PAGES: Final = 8


@dataclass(frozen=True)
class Measured:
    """How long the answers took, in milliseconds."""

    what: str
    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    longest: float


async def catalogue(url: str) -> list[Shelved]:
    """Return some thousands of the shop's books, from all over the catalogue."""
    connection = Connection(url)
    books: dict[str, Shelved] = {}
    for sort in _SORTS:
        cursor: dict[str, str] = {}
        for _ in range(_PAGES):
            status, body = await connection.get(f"{API}/books?{urlencode({'limit': 100, 'sort': sort, **cursor})}")
            if status != 200:  # noqa: PLR2004
                raise StackError(f"{url} answered {status}: {body[:200].decode()}")
            page = json.loads(body)
            books |= {book["id"]: _shelved(book) for book in page["data"]}
            if not page["page"]["has_more"]:
                break
            cursor = {"cursor": page["page"]["next_cursor"]}
    await connection.close()
    return list(books.values())


def queries_of(books: Sequence[Shelved], *, requests: int, seed: int) -> dict[str, list[str]]:
    """Return distinct queries of each kind, so many in all."""
    drawn = draw(books, per_kind=math.ceil(requests / 11), seed=seed)
    return {kind: [judged.query for judged in judgements] for kind, judgements in drawn.items()}


async def measure(what: str, paths: Sequence[str], *, urls: Sequence[str], clients: int) -> Measured:
    """Ask for all paths, from so many clients at once, each with a connection to every server in turn."""
    remaining: Iterator[str] = iter(paths)
    times: list[float] = []

    async def client(number: int) -> None:
        connections = [Connection(url) for url in (*urls[number % len(urls) :], *urls[: number % len(urls)])]
        for at, path in enumerate(remaining):
            started = time.perf_counter()
            status, body = await connections[at % len(connections)].get(path)
            times.append((time.perf_counter() - started) * 1000)
            if status != 200:  # noqa: PLR2004
                raise StackError(f"{path} answered {status}: {body[:300].decode()}")
        for connection in connections:
            await connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = time.perf_counter() - began
    times.sort()

    def quantile(share: float) -> float:
        return round(times[min(int(len(times) * share), len(times) - 1)], 1)

    return Measured(
        what, len(times), round(len(times) / elapsed, 1), quantile(0.5), quantile(0.95), quantile(0.99), quantile(1)
    )


async def run(*, urls: Sequence[str], clients: int, requests: int, seed: int) -> list[Measured]:
    """Measure search kind by kind and over all kinds, then suggestions."""
    books = await catalogue(urls[0])
    by_kind = queries_of(books, requests=requests, seed=seed)
    results = []
    for kind, queries in by_kind.items():
        if queries:
            results.append(await measure(kind, [_search(q) for q in queries], urls=urls, clients=clients))
    fresh = queries_of(books, requests=requests, seed=seed + 1)
    everything = list(dict.fromkeys(q for queries in fresh.values() for q in queries))
    results.append(await measure("all kinds", [_search(q) for q in everything], urls=urls, clients=clients))
    begun = [f"{API}/books/suggest?{urlencode({'q': q[: 3 + at % 12]})}" for at, q in enumerate(everything)]
    results.append(await measure("suggest", list(dict.fromkeys(begun)), urls=urls, clients=1))
    return results


def _search(q: str) -> str:
    return f"{API}/books/search?{urlencode({'q': q, 'facets': FACETS})}"


def _shelved(book: dict[str, Any]) -> Shelved:
    series = book["series"] or {}
    return Shelved(
        id=book["id"], title=book["title"], authors=tuple(book["authors"]), series=series.get("name"),
        series_position=series.get("position"), isbn13=book["isbn13"],
    )  # fmt: skip
