"""The command `bench`: which measurement, how long, and where the numbers go."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.report import Report
from stack.outputs import output_file

bench = typer.Typer(
    name="bench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Measure the shop beside its limits, in one run.

  ./bookstore bench hot-path             hot reads through HAProxy, beside HAProxy by itself
  ./bookstore bench cold-path            reads past HAProxy, and past both caches
  ./bookstore bench search               uncached search with facets, 10,000 books
  ./bookstore bench scale                the same from 10,000 to 1,000,000 books
  ./bookstore bench footprint            memory, and time to start
  ./bookstore bench drivers              PyMongo Async + Beanie 2 beside Motor + Beanie 1
  ./bookstore bench staleness            100,000 reads beside writes: none may be stale
  ./bookstore bench checkout             orders beside a bare loop of the same writes
  ./bookstore bench rush                 1,000 buyers of 10 copies at once
  ./bookstore bench auth                 tokens beside none, sign-ins beside bare argon2
  ./bookstore bench overload             three times as many searches and orders as it can carry
  ./bookstore bench faults               what clients notice when parts die, against the exact bars

Every system is one of its own, beside `up`; imported books are kept for the next run.""",
)

Seconds = Annotated[float, typer.Option("--seconds", min=0.5, help="How long each measurement of a round takes.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How often everybody is measured in turn.")]
Requests = Annotated[int, typer.Option("--requests", min=22, help="How many different queries to ask.")]
Json = Annotated[Path | None, output_file("--json", help="Write the numbers to this file, too.")]


@bench.command("hot-path")
def hot_path(seconds: Seconds = 4, rounds: Rounds = 5, json: Json = None) -> None:
    """Hot details, searches and 304s through HAProxy; what else could answer them, and the limit."""
    from bench.hot_path import hot_path as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, rounds=rounds, command=_command()), json)


@bench.command("cold-path")
def cold_path(seconds: Seconds = 4, rounds: Rounds = 5, json: Json = None) -> None:
    """Details past HAProxy's cache, from Redis and from MongoDB, beside the least that could do it."""
    from bench.cold_path import cold_path as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, rounds=rounds, command=_command()), json)


@bench.command()
def search(requests: Requests = 2_000, json: Json = None) -> None:
    """Uncached search with facets at 10,000 books, kind by kind of query."""
    from bench.searching import search as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(requests=requests, command=_command()), json)


@bench.command()
def scale(
    books: Annotated[list[int] | None, typer.Option("--books", min=1000, help="A size; repeat for several.")] = None,
    requests: Requests = 2_000,
    json: Json = None,
) -> None:
    """Search at 10,000, 100,000 and 1,000,000 books; an import that was cut short goes on where it stopped."""
    from bench.searching import scale as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(sizes=books or [10_000, 100_000, 1_000_000], requests=requests, command=_command()), json)


@bench.command()
def footprint(
    rounds: Rounds = 5,
    books: Annotated[int, typer.Option("--books", min=1, help="How many books to read.")] = 10_000,
    json: Json = None,
) -> None:
    """How long a replica takes to start, and how much memory it holds after serving 10,000 books."""
    from bench.footprint import footprint as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(rounds=rounds, books=books, command=_command()), json)


@bench.command()
def drivers(seconds: Seconds = 6, rounds: Rounds = 5, json: Json = None) -> None:
    """Documents read a second: PyMongo Async with Beanie 2, beside Motor 3.7 with Beanie 1.30."""
    from bench.drivers import drivers as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, rounds=rounds, command=_command()), json)


@bench.command()
def staleness(
    reads: Annotated[int, typer.Option("--reads", min=100, help="How many reads to check.")] = 100_000,
    json: Json = None,
) -> None:
    """Look for stale reads, by id, by ISBN, in lists and in search; exit code 1 where one is found."""
    from bench.never_stale import never_stale  # noqa: PLC0415  each command loads what it needs

    report = never_stale(reads=reads, command=_command())
    _publish(report, json)
    raise typer.Exit(0 if all(bar.reached for bar in report.bars) else 1)


@bench.command()
def checkout(
    seconds: Seconds = 5,
    rounds: Rounds = 3,
    books: Annotated[list[int] | None, typer.Option("--books", min=1000, help="A size; repeat for several.")] = None,
    json: Json = None,
) -> None:
    """Orders a second, spread and on one hot title, beside the same writes by themselves; also as the shop grows."""
    from bench.checkout import checkout as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, rounds=rounds, sizes=books or [10_000, 100_000], command=_command()), json)


@bench.command()
def auth(seconds: Seconds = 5, rounds: Rounds = 5, json: Json = None) -> None:
    """Requests with a token beside such without, sign-ins beside bare argon2, and what reads notice of them."""
    from bench.auth import auth as measure  # noqa: PLC0415

    _publish(measure(seconds=seconds, rounds=rounds, command=_command()), json)


@bench.command()
def rush(
    rounds: Rounds = 5,
    buyers: Annotated[int, typer.Option("--buyers", min=11, help="How many want one of ten copies.")] = 1_000,
    json: Json = None,
) -> None:
    """Let a thousand buy ten copies at once: exactly ten are sold, and the others hear it soon."""
    from bench.rush import rush as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(rounds=rounds, buyers=buyers, command=_command()), json)


@bench.command()
def overload(seconds: Seconds = 10, json: Json = None) -> None:
    """Three times as many searches and orders as the shop can carry, and how soon all is as before."""
    from bench.overload import overload as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, command=_command()), json)


@bench.command()
def faults(
    rounds: Rounds = 5,
    rate: Annotated[float, typer.Option("--rate", min=1, help="Requests a second.")] = 100,
    json: Json = None,
) -> None:
    """Kill, freeze, flush and restart one part after the other under load; about 10 minutes."""
    from bench.faults import faults as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(rounds=rounds, rate=rate, command=_command()), json)


def _command() -> str:
    return " ".join(["./bookstore", *sys.argv[1:]])


def _publish(report: Report, file: Path | None) -> None:
    report.show()
    if file is not None:
        report.write(file)
