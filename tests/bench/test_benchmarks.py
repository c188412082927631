"""Benchmarks run and say what they measured; how fast things are is not this suite's business.

`faults` and `staleness` only explain themselves here: what they do for minutes, `tests/failover` and `tests/race` do.
"""

import json
from pathlib import Path

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from app.models.book import Book
from bench.auth import auth
from bench.checkout import CLIENTS, checkout
from bench.cli import bench
from bench.cold_path import cold_path
from bench.drivers import drivers
from bench.footprint import footprint
from bench.hot_path import hot_path
from bench.overload import overload
from bench.report import Bar, Report
from bench.rush import rush
from bench.searching import scale, search
from bench.shop import Catalogue, synthetic
from stack.cli import cli

SMALL: Catalogue = synthetic(1_000)
COMMAND = "./bookstore bench"


def _names(report: Report) -> list[str]:
    return [str(row[0]) for row in report.rows]


def _bars(report: Report) -> dict[str, Bar]:
    return {bar.name: bar for bar in report.bars}


@pytest.fixture(scope="module")
def hot() -> Report:
    return hot_path(seconds=1, rounds=1, command=COMMAND, catalogue=SMALL)


def test_hot_path_is_measured_beside_haproxy_and_what_else_could_answer(hot: Report) -> None:
    assert _names(hot) == [
        "HAProxy by itself, bytes of a book",
        "shop: 200 books",
        "shop: 200 books, 20 price changes a second",
        "HAProxy by itself, bytes of a search",
        "shop: 60 searches",
        "HAProxy by itself, 304 to 19 in 20",
        "shop: 200 books, 304 to 19 in 20",
        "bare ASGI callable behind HAProxy",
        "bare callable with one Redis GET",
        "FastAPI, Redis, response model",
    ]
    assert {name: bar.at_least for name, bar in _bars(hot).items()} == {
        "shop: 200 books, ratio to the limit": 0.85,
        "shop: 60 searches, ratio to the limit": 0.75,
        "shop: 200 books, 20 price changes a second, ratio to the limit": 0.75,
        "failed requests": None,
    }
    assert _bars(hot)["failed requests"].reached


def test_hot_path_says_how_long_writers_waited_and_what_the_edge_answered(hot: Report) -> None:
    # then
    assert hot.facts["writers"]["acknowledged"] > 0
    assert hot.facts["writer_wait_seconds"]["p50"] > 0
    shares = {row[0]: row[5] for row in hot.rows if row[5] is not None}
    assert list(shares) == [
        "shop: 200 books",
        "shop: 200 books, 20 price changes a second",
        "shop: 60 searches",
        "shop: 200 books, 304 to 19 in 20",
    ]


def test_a_report_is_written_whole(hot: Report, tmp_path: Path) -> None:
    # when
    hot.write(tmp_path / "hot.json")

    # then
    written = json.loads((tmp_path / "hot.json").read_text(encoding="utf-8"))
    assert [row[""] for row in written["rows"]] == _names(hot)
    assert written["command"] == COMMAND
    assert written["machine"]["cores"] >= 1
    assert {bar["name"]: bar["reached"] for bar in written["bars"]} == {bar.name: bar.reached for bar in hot.bars}


def test_cold_path_is_measured_beside_one_redis_get_and_one_find_one() -> None:
    # when
    report = cold_path(seconds=1, rounds=1, command=COMMAND, catalogue=SMALL)

    # then
    assert _names(report) == [
        "bare callable with one Redis GET",
        "shop: answered from Redis",
        "bare callable with one find_one",
        "shop: answered from MongoDB",
    ]
    assert [bar.at_least for bar in report.bars] == [0.6, 0.6, None]
    assert _bars(report)["failed requests"].reached


def test_search_is_measured_kind_by_kind() -> None:
    # when
    report = search(requests=44, command=COMMAND, catalogue=SMALL)

    # then
    assert _names(report)[-2:] == ["all kinds", "suggest"]
    assert [bar.at_most for bar in report.bars] == [40]


def test_scale_shows_a_row_for_each_size_with_its_indexes() -> None:
    # when
    report = scale(sizes=[1_500, 1_000], requests=44, command=COMMAND)

    # then
    assert _names(report) == ["1,000", "1,500"]
    assert list(_bars(report)) == ["p95 at 1,500 books beside 1,000"]
    assert all(len(sizes) == 1 + len(Book.INDEXES) for sizes in report.facts["indexes_mib"].values())


def test_footprint_reads_every_book_it_says() -> None:
    # when
    report = footprint(rounds=1, books=1_000, command=COMMAND, catalogue=SMALL)

    # then
    assert _names(report) == [
        "start to ready, s (median)",
        "resident when ready, MiB",
        "resident after 1,000 books, MiB",
        "resident after 500 searches more, MiB",
    ]
    assert [bar.at_most for bar in report.bars] == [3, 150]


def test_drivers_are_measured_in_environments_of_their_own() -> None:
    # when
    report = drivers(seconds=0.6, rounds=1, command=COMMAND, catalogue=SMALL)

    # then
    assert _names(report) == ["one by one, 16 clients", "100 at a time, 16 clients", "one by one, one client"]
    assert all(isinstance(cell, float) and cell > 0 for row in report.rows for cell in row[1:])


@pytest.mark.parametrize("name", get_group(bench).commands)
def test_every_benchmark_explains_itself(name: str) -> None:
    # when
    said = CliRunner().invoke(cli, ["bench", name, "--help"])

    # then
    assert said.exit_code == 0
    assert "--json" in said.output


def test_checkout_is_measured_beside_its_own_writes() -> None:
    report = checkout(seconds=1, rounds=1, sizes=[1_000, 2_000], command=COMMAND)

    who = ("bare loop, spread", "shop, spread", "bare loop, one title", "shop, one title")
    assert _names(report) == [
        *(f"{one}, {clients} clients" for clients in CLIENTS for one in who),
        "shop of 1,000 books, 32 clients",
        "shop, spread, 8 clients who pay at once",
        "shop, spread, 32 clients who pay at once",
        "shop of 2,000 books, 32 clients",
    ]
    assert {name: bar.at_least for name, bar in _bars(report).items()} == {
        **{f"{clients} clients: beside the bare loop": 0.5 for clients in CLIENTS},
        **{f"{clients} clients: one title beside 1,000": 0.4 for clients in CLIENTS},
        "2,000 books beside 1,000": 0.85,
        **{f"{clients} clients who pay: {what}, p99": None for clients in (8, 32) for what in ("event", "letter")},
        "orders that failed": None,
    }


def test_a_rush_sells_each_copy_once() -> None:
    report = rush(rounds=1, buyers=60, command=COMMAND, catalogue=SMALL)

    bars = _bars(report)
    assert [row[1:4] for row in report.rows] == [(10, 50, 0)]
    assert bars["sold too many or too few"].reached
    assert bars["heard anything but yes or insufficient_stock"].reached
    assert bars["slowest loser, median of rounds"].at_most == 2


def test_overload_is_measured_beside_the_best() -> None:
    report = overload(seconds=1, watched=1, command=COMMAND, catalogue=SMALL)

    assert _names(report) == [
        f"{kind}, {how}"
        for kind in ("searches", "orders")
        for how in ("as many as it can", "3 times as many", "as many as it can, again")
    ]
    assert all(row[2] > 0 for row in report.rows)  # type: ignore[operator]
    assert {name: (bar.at_least, bar.at_most) for name, bar in _bars(report).items()} == {
        f"{kind}: {name}": bar
        for kind in ("searches", "orders")
        for name, bar in {
            "asked, beside the best": (3, None),
            "done, beside the best": (0.9, None),
            "neither answered nor refused with Retry-After": (None, 0),
            "normal again after": (None, 5),
        }.items()
    }


def test_knowing_who_asks_is_measured_beside_not_knowing() -> None:
    report = auth(seconds=1, rounds=1, command=COMMAND, catalogue=SMALL)

    assert _names(report) == [
        "a cart, anonymous (X-Cart-Token)",
        "a cart, signed in",
        "bare argon2 checks",
        "sign-ins",
        "cached books",
        "cached books while sign-ins are saturated",
    ]
    bars = _bars(report)
    assert bars["signed in, beside anonymous at the same endpoint"].at_least == 0.8
    assert bars["sign-ins, beside bare argon2"].at_least == 0.85
    assert bars["p99 of cached reads while sign-ins are saturated, beside without"].at_most == 3
    assert bars["failed requests"].reached
