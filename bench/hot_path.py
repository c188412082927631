"""Measures hot reads through HAProxy beside HAProxy by itself, and beside what else could answer them."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from bench import counters
from bench.beside import Beside, beside, body_file, keep_bodies
from bench.machine import require_wrk, this_machine
from bench.price_changes import Changes, changing_prices
from bench.report import Bar, Cell, Report
from bench.rounds import Contender, Result, measure, warm_up
from bench.shop import Catalogue, Shop, open_shop, ten_thousand
from bench.wrk import Asked, write_requests

WRITES_PER_SECOND: Final = 20
NEWCOMERS: Final = 20
"""One in so many comes without an ETag."""

LIMIT_DETAIL: Final = "HAProxy by itself, bytes of a book"
LIMIT_SEARCH: Final = "HAProxy by itself, bytes of a search"
LIMIT_304: Final = "HAProxy by itself, 304 to 19 in 20"
DETAIL: Final = "shop: 200 books"
DETAIL_WRITTEN: Final = f"shop: 200 books, {WRITES_PER_SECOND} price changes a second"
SEARCH: Final = "shop: 60 searches"
NOT_MODIFIED: Final = "shop: 200 books, 304 to 19 in 20"
BARE: Final = "bare ASGI callable behind HAProxy"
REDIS_GET: Final = "bare callable with one Redis GET"
TUTORIAL: Final = "FastAPI, Redis, response model"

_LIMITS: Final = {
    DETAIL: LIMIT_DETAIL,
    DETAIL_WRITTEN: LIMIT_DETAIL,
    SEARCH: LIMIT_SEARCH,
    NOT_MODIFIED: LIMIT_304,
    BARE: LIMIT_DETAIL,
    REDIS_GET: LIMIT_DETAIL,
    TUTORIAL: LIMIT_DETAIL,
}
_BARS: Final = {DETAIL: 0.85, SEARCH: 0.75, DETAIL_WRITTEN: 0.75}
_WAIT: Final = "bookstore_cache_writer_wait_seconds"


@dataclass
class _Watch:
    """Notes how many lookups of HAProxy's cache were hits while somebody is measured."""

    shop: Shop
    lookups: dict[str, float] = field(default_factory=dict)
    hits: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def watching(self, name: str) -> Iterator[None]:
        before = self._read()
        yield
        after = self._read()
        for seen, what in ((self.lookups, "lookups"), (self.hits, "hits")):
            grown = counters.growth(before, after, f"haproxy_frontend_http_cache_{what}_total", proxy="public")
            seen[name] = seen.get(name, 0) + grown

    def hit_rate(self, name: str) -> float:
        return self.hits[name] / max(self.lookups[name], 1)

    def _read(self) -> counters.Readings:
        url = f"http://127.0.0.1:{self.shop.profile.ports.stats}/metrics"
        return counters.read_counters([url], prefix="haproxy_frontend_http_cache")


def hot_path(*, seconds: float, rounds: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure, and return the report."""
    require_wrk()
    machine = this_machine()
    with open_shop(catalogue or ten_thousand()) as shop:
        books, searches = shop.hot_books(), shop.hot_searches()
        # HAProxy keeps a book anew when somebody asks without a condition: one in twenty has nothing yet.
        seen = [Asked(one.path, shop.etag(one.path)) for one in books]
        known = [
            Asked(one.path) if at % NEWCOMERS == turn else one
            for turn in range(NEWCOMERS)
            for at, one in enumerate(seen)
        ]
        kept, found = keep_bodies(shop, books), {one.path: shop.fetch(one.path) for one in searches}
        detail, search = body_file(shop, "detail", kept), body_file(shop, "search", found)
        with beside(shop, detail=detail, search=search) as others:
            watch, changes = _Watch(shop), Changes()
            writing = _writers(shop, books, changes)
            contenders = _contenders(shop, others, watch, writing, (books, searches, known))
            warm_up(contenders)
            waits = [f"{url}/metrics" for url in shop.replica_urls]
            before = counters.read_counters(waits, prefix=_WAIT)
            watch, changes.seconds[:] = _Watch(shop), []
            contenders = _contenders(shop, others, watch, writing, (books, searches, known))
            results = measure(contenders, seconds=seconds, rounds=rounds)
            after = counters.read_counters(waits, prefix=_WAIT)
        wait = {f"p{share * 100:.0f}": counters.quantile(before, after, _WAIT, share) for share in (0.5, 0.99)}
    sizes = {"detail": detail.stat().st_size, "search": search.stat().st_size}
    rows = [_row(result, results, watch) for result in results.values()]
    bars = [Bar(f"{name}, ratio to the limit", _ratio(results, name), at_least=bar) for name, bar in _BARS.items()]
    failed = sum(result.failed for result in results.values())
    return Report(
        title=f"Hot path: {rounds} rounds of {seconds:g} s each, 64 connections",
        command=command,
        machine=machine,
        columns=("", "requests/s", "ratio to limit", "p50 ms", "p99 ms", "edge hits", "bar"),
        rows=rows,
        bars=[*bars, Bar("failed requests", failed, at_most=0)],
        notes=[
            f"bodies: a book {sizes['detail']:,} bytes, a search {sizes['search']:,} bytes (the middle ones)",
            _about_writers(wait, changes),
        ],
        facts={"sizes": sizes, "writer_wait_seconds": wait, "writers": _summary(changes)},
    )


def _writers(shop: Shop, books: list[Asked], changes: Changes) -> Callable[[], AbstractContextManager[None]]:
    ids = [one.path.rpartition("/")[2] for one in books]
    return lambda: changing_prices(shop, ids, per_second=WRITES_PER_SECOND, seen=changes)


def _contenders(
    shop: Shop,
    others: Beside,
    watch: _Watch,
    writing: Callable[[], AbstractContextManager[None]],
    asked: tuple[list[Asked], list[Asked], list[Asked]],
) -> list[Contender]:
    run = shop.profile.run
    names = ("books", "searches", "known")
    books, searches, known = (
        write_requests(run / f"{name}.txt", lines) for name, lines in zip(names, asked, strict=True)
    )

    @contextmanager
    def watched(name: str) -> Iterator[None]:
        with watch.watching(name):
            yield

    @contextmanager
    def written() -> Iterator[None]:
        with watch.watching(DETAIL_WRITTEN), writing():
            yield

    url = shop.stack.url
    return [
        Contender(LIMIT_DETAIL, others.urls["detail"], books),
        Contender(DETAIL, url, books, around=lambda: watched(DETAIL)),
        Contender(DETAIL_WRITTEN, url, books, around=written),
        Contender(LIMIT_SEARCH, others.urls["search"], searches),
        Contender(SEARCH, url, searches, around=lambda: watched(SEARCH)),
        Contender(LIMIT_304, others.urls["not_modified"], known),
        Contender(NOT_MODIFIED, url, known, around=lambda: watched(NOT_MODIFIED)),
        Contender(BARE, others.urls["bare"], books),
        Contender(REDIS_GET, others.urls["redis_get"], books),
        Contender(TUTORIAL, others.urls["tutorial"], books),
    ]


def _ratio(results: dict[str, Result], name: str) -> float:
    return results[name].ratio_to(results[_LIMITS[name]])


def _row(result: Result, results: dict[str, Result], watch: _Watch) -> list[Cell]:
    name = result.name
    ratio = _ratio(results, name) if name in _LIMITS else None
    hits = f"{watch.hit_rate(name):.2%}" if name in watch.lookups else None
    bar = f"≥ {_BARS[name]}" if name in _BARS else None
    return [name, result.per_second, ratio, result.p50_ms, result.p99_ms, hits, bar]


def _summary(changes: Changes) -> dict[str, Any]:
    took = sorted(changes.seconds)
    if not took:
        return {"acknowledged": 0, "refused": dict(changes.refusals)}
    return {
        "acknowledged": len(took),
        "refused": dict(changes.refusals),
        "p50_ms": round(statistics.median(took) * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
    }


def _about_writers(wait: dict[str, float | None], changes: Changes) -> str:
    said = ", ".join(f"{name} {value * 1000:.2f} ms" for name, value in wait.items() if value is not None)
    seen = _summary(changes)
    return (
        f"writers: waited between commit and answer {said or 'never'}; {seen['acknowledged']} changes acknowledged,"
        f" {_counted(changes.refusals)} refused;"
        f" a whole change took {seen.get('p50_ms')} ms (p50), {seen.get('p99_ms')} ms (p99)"
    )


def _counted(refusals: Counter[str]) -> str:
    told = ", ".join(f"{count} {code}" for code, count in sorted(refusals.items()))
    return told or "none"
