"""Restarts replicas one by one while clients ask as fast as they are answered."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.shop import API, HOT_BOOKS, Catalogue, Shop
from bench.wrk import Asked, Sample, run_wrk, write_requests
from stack.running import Stack

REPLICAS: Final = 3
_CONNECTIONS: Final = 64
_SECONDS: Final = 60.0
"""Longer than three restarts take under such a load."""

_BEFORE_SECONDS: Final = 4.0
_COLD_EVERY: Final = 40
"""Of so many requests one is a search that no cache knows: with more, the databases alone would be measured."""

_REQUESTS: Final = 400_000
_STARTER: Final = Catalogue("starter", ("--starter",))


@dataclass(frozen=True)
class Rolled:
    """What clients saw, and how many replicas were restarted while they asked."""

    sample: Sample
    restarted: int


def roll_at_full_load(stack: Stack) -> Rolled:
    """Restart every replica once, under hot reads and new searches by 64 clients.

    Raises:
        StackError: wrk didn't run, or a replica wasn't restarted.
    """
    books = Shop(stack, _STARTER).popular_ids(HOT_BOOKS)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        requests = write_requests(Path(folder) / "requests", _asked(books))
        load = beside.submit(run_wrk, stack.url, requests, seconds=_SECONDS, connections=_CONNECTIONS, threads=1)
        time.sleep(_BEFORE_SECONDS)
        restarted = 0
        for replica in stack.replicas():
            stack.restart_gently(replica)
            restarted += not load.done()
        return Rolled(load.result(), restarted)


def _asked(books: list[str]) -> Iterator[Asked]:
    for number in range(_REQUESTS):
        if number % _COLD_EVERY:
            yield Asked(f"{API}/books/{books[number % len(books)]}")
        else:
            yield Asked(f"{API}/books/search?q=the+night&limit=5&price_min={number}")
