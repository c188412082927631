"""The shop under measurement: a system of its own, with a catalogue that is kept on disk for the next run."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import psutil
from pymongo import MongoClient

from bench.wrk import Asked
from stack.display import errors
from stack.errors import StackError
from stack.profile import REPOSITORY, Profile, state_folder, throwaway_profile
from stack.running import Stack, running_stack
from stack.up import Progress

PARTS: Final = ("mongod", "redis", "api", "haproxy")
API: Final = "/api/v1"
ADDRESS: Final = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
"""Where orders go, as in `orders.lua`."""

HOT_BOOKS: Final = 200
HOT_QUERIES: Final = 60
_PAGE: Final = 100
_FIRST_PORT: Final = 19_080
_TELLING: Final = 4
_IDLE_WITHIN_SECONDS: Final = 120.0
_IDLE_FOR_SECONDS: Final = 3.0
_IDLE_SHARE: Final = 0.1
_OF_ORDERS: Final = (
    "orders",
    "payments",
    "refunds",
    "ledger_entries",
    "outbox_events",
    "stock_movements",
    "idempotency_keys",
    "webhook_events",
)
_FINISHED: Final = "imported.json"


@dataclass(frozen=True)
class Catalogue:
    """Which books: so many made-up ones, or those of a file."""

    name: str
    arguments: tuple[str, ...]


def synthetic(books: int) -> Catalogue:
    """Return so many made-up books."""
    return Catalogue(f"synthetic-{books}", ("--synthetic", str(books), "--seed", "1"))


def ten_thousand() -> Catalogue:
    """Return goodbooks-10k where its books.csv is found, else as many made-up books."""
    named = os.environ.get("BOOKSTORE_GOODBOOKS")
    file = Path(named) if named else REPOSITORY.parent / "shared" / "data" / "goodbooks" / "books.csv"
    return Catalogue("goodbooks", (str(file), "--format", "goodbooks")) if file.exists() else synthetic(10_000)


@dataclass(frozen=True)
class Shop:
    """A running system with its books."""

    stack: Stack
    catalogue: Catalogue

    @property
    def profile(self) -> Profile:
        """Its folder and ports."""
        return self.stack.profile

    @property
    def replica_urls(self) -> list[str]:
        """The API replicas themselves, without HAProxy."""
        return [f"http://127.0.0.1:{port}" for port in self.profile.ports.api]

    def pids(self, kind: str) -> dict[str, int]:
        """The processes of a kind, by name."""
        return {one["name"]: one["pid"] for one in self.stack.status()["processes"] if one["kind"] == kind}

    def resident_mib(self, kind: str) -> dict[str, float]:
        """How much memory the processes of a kind hold, by name."""
        return {name: psutil.Process(pid).memory_info().rss / 2**20 for name, pid in self.pids(kind).items()}

    def get(self, path: str) -> Any:
        """Return the JSON at the path, through HAProxy."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """Return the body at the path, through HAProxy."""
        with urllib.request.urlopen(self.stack.url + path, timeout=15) as answer:  # noqa: S310  our own address
            body: bytes = answer.read()
            return body

    def etag(self, path: str) -> str:
        """Return the ETag at the path."""
        with urllib.request.urlopen(self.stack.url + path, timeout=15) as answer:  # noqa: S310  our own address
            return str(answer.headers["ETag"])

    def popular_ids(self, count: int) -> list[str]:
        """Return the ids of the most popular books."""
        ids: list[str] = []
        after: dict[str, str] = {}
        while len(ids) < count:
            query = urlencode({"limit": _PAGE, "sort": "-popularity", **after})
            page = self.get(f"{API}/books?{query}")
            ids += [book["id"] for book in page["data"]]
            if not page["page"]["has_more"]:
                break
            after = {"cursor": page["page"]["next_cursor"]}
        return ids[:count]

    def wait_until_idle(self) -> None:
        """Wait, two minutes at most, until what runs at a start is done: counting the words of all books, for one."""
        until = time.monotonic() + _IDLE_WITHIN_SECONDS
        before = self._busy_seconds()
        while time.monotonic() < until:
            time.sleep(_IDLE_FOR_SECONDS)
            now = self._busy_seconds()
            if now - before < _IDLE_SHARE * _IDLE_FOR_SECONDS:
                return
            before = now

    def _busy_seconds(self) -> float:
        busy = 0.0
        for pid in self.pids("celery").values():
            root = psutil.Process(pid)
            times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
            busy += sum(one.user + one.system for one in times)
        return busy

    def forget_orders(self) -> None:
        """Forget what earlier runs ordered, which would otherwise expire, and be asked about, during this one."""
        with MongoClient[dict[str, Any]](self.stack.environment["BOOKSTORE_MONGO_URL"]) as client:
            database = client[self.stack.environment["BOOKSTORE_MONGO_DATABASE"]]
            for name in _OF_ORDERS:
                database[name].delete_many({})

    def hot_books(self) -> list[Asked]:
        """Return the hot books' addresses."""
        return [Asked(f"{API}/books/{book_id}") for book_id in self.popular_ids(HOT_BOOKS)]

    def hot_searches(self) -> list[Asked]:
        """Return the addresses of searches for words of popular titles."""
        page = self.get(f"{API}/books?{urlencode({'limit': 100, 'sort': '-popularity'})}")
        words = dict.fromkeys(word for book in page["data"] for word in _spoken(book["title"]))
        return [Asked(f"{API}/books/search?q={quote_plus(text)}") for text in list(words)[:HOT_QUERIES]]


@contextmanager
def open_shop(
    catalogue: Catalogue,
    *,
    replicas: int = 3,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
    parts: tuple[str, ...] = PARTS,
) -> Iterator[Shop]:
    """Start a system whose database holds the catalogue; an import that was cut short goes on where it stopped."""
    home = folder or state_folder() / f"bench-{catalogue.name}-{replicas}"
    profile = replace(
        _profile(home, replicas=replicas),
        parts=parts,
        starter_books=False,
        afresh=False,
        extra_environment=environment or {},
    )
    with Progress() as progress, running_stack(profile, listener=progress.show) as stack:
        progress.close()
        _fill(stack, catalogue)
        yield Shop(stack, catalogue)


def _profile(home: Path, *, replicas: int) -> Profile:
    known = home / "run" / "profile.json"
    if not known.exists():
        return throwaway_profile(home.name, replicas=replicas, folder=home, first_port=_FIRST_PORT)
    # The replica set's configuration, which is kept with its data, names its ports; the others are taken above them.
    mongo = Profile.from_json(known.read_text(encoding="utf-8")).ports.mongo
    fresh = throwaway_profile(home.name, replicas=replicas, folder=home, first_port=max(mongo) + 1)
    return replace(fresh, ports=replace(fresh.ports, mongo=mongo))


def _fill(stack: Stack, catalogue: Catalogue) -> None:
    finished = stack.profile.folder / _FINISHED
    if finished.exists():
        return
    errors.print(f"importing {catalogue.name}, once; it is kept in {stack.profile.folder}", highlight=False)
    # It ends with the benchmark, however that ends: two importers at once would be in each other's way.
    command = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "app.importing", *catalogue.arguments]
    environment = {**os.environ, **stack.environment, "PYTHONPATH": str(REPOSITORY)}
    started = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode > 1:
        raise StackError("the import stopped; run the same command again, and it goes on where it stopped")
    finished.write_text(json.dumps({"seconds": round(time.monotonic() - started, 1)}) + "\n", encoding="utf-8")


def _spoken(title: str) -> list[str]:
    """Return the title's words that say something: each finds a page of books or nearly so."""
    return [word for word in title.partition("(")[0].lower().split() if word.isalpha() and len(word) >= _TELLING]
