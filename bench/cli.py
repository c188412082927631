"""The command `bench`: which measurement, how long, and where the numbers go."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.report import Report

bench = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Measure the shop beside its limits, in one run.

  ./bookstore bench hot-path             hot reads through HAProxy, beside HAProxy by itself
  ./bookstore bench cold-path            reads past HAProxy, and past both caches
  ./bookstore bench search               uncached search with facets, 10,000 books
  ./bookstore bench scale                the same from 10,000 to 1,000,000 books
  ./bookstore bench footprint            memory, and time to start
  ./bookstore bench drivers              PyMongo Async + Beanie 2 beside Motor + Beanie 1

Every system is one of its own, beside `up`; imported books are kept for the next run.""",
)

Seconds = Annotated[float, typer.Option("--seconds", min=0.5, help="How long each measurement of a round takes.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How often everybody is measured in turn.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file, too.")]


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
def drivers(seconds: Seconds = 6, rounds: Rounds = 5, json: Json = None) -> None:
    """Documents read a second: PyMongo Async with Beanie 2, beside Motor 3.7 with Beanie 1.30."""
    from bench.drivers import drivers as measure  # noqa: PLC0415  each command loads what it needs

    _publish(measure(seconds=seconds, rounds=rounds, command=_command()), json)


def _command() -> str:
    return " ".join(["./bookstore", *sys.argv[1:]])


def _publish(report: Report, file: Path | None) -> None:
    report.show()
    if file is not None:
        report.write(file)
