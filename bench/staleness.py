"""Looks for stale reads: writers count prices up, readers check that no answer goes behind what was acknowledged.

An answer is stale when its request began after a write was acknowledged, and it shows what was before that write
(DESIGN: I5). Everything goes over HTTP through the load balancer, by id, by ISBN, in lists and in search.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

_API: Final = "/api/v1"
_FIRST_PRICE: Final = 100
_PATIENCE: Final = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True)
class StaleRead:
    """One answer that went behind an acknowledged write."""

    path: str
    answered_by: str
    acknowledged: int
    shown: int | None


@dataclass
class Findings:
    """What a search for stale reads saw."""

    reads: int = 0
    writes: int = 0
    failed_reads: dict[str, int] = field(default_factory=dict)
    failed_writes: int = 0
    seconds: float = 0.0
    longest_write: float = 0.0
    answered_by: dict[str, int] = field(default_factory=dict)
    stale: list[StaleRead] = field(default_factory=list)


@dataclass
class _Watched:
    """A book whose price is counted up: the last price that was acknowledged, and the ETag that came with it."""

    id: str
    isbn: str
    acknowledged: int
    etag: str


class Search:
    """One search for stale reads against one system."""

    def __init__(self, url: str, token: str, *, books: int = 6, seed: int = 1) -> None:
        """Take the load balancer's address and a staff token."""
        self._url = url
        self._staff = {"Authorization": f"Bearer {token}"}
        self._random = random.Random(seed)
        self._books: list[_Watched] = []
        self._count = books
        self._mark = f"zq{self._random.randrange(36**8):x}{time.time_ns():x}"
        self.findings = Findings()

    async def run(
        self,
        *,
        reads: int,
        seconds: float,
        writes: int = 0,
        readers: int = 12,
        writers: int = 2,
        until_stale: bool = False,
    ) -> Findings:
        """Go on until so many reads are checked beside so many writes, or the time is over.

        With `until_stale`, until the first stale read.
        """
        connections = aiohttp.TCPConnector(limit=readers + writers)
        async with aiohttp.ClientSession(self._url, connector=connections, timeout=_PATIENCE) as session:
            self._books = [await self._make(session, number) for number in range(self._count)]
            started = time.monotonic()

            def done() -> bool:
                enough = self.findings.reads >= reads and self.findings.writes >= writes
                return enough or time.monotonic() - started >= seconds or (until_stale and bool(self.findings.stale))

            writing = [asyncio.create_task(self._write(session, self._books[n::writers])) for n in range(writers)]
            try:
                await asyncio.gather(*(self._read(session, done) for _ in range(readers)))
            finally:
                for task in writing:
                    task.cancel()
                ended = await asyncio.gather(*writing, return_exceptions=True)
            self.findings.seconds = time.monotonic() - started
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        return self.findings

    async def _make(self, session: aiohttp.ClientSession, number: int) -> _Watched:
        body = {
            "title": f"{self._mark} {number}",
            "authors": [self._mark],
            "language": "en",
            "isbn13": _isbn13((time.time_ns() + number) % 10**9),
            "price": {"amount": _FIRST_PRICE, "currency": "USD"},
        }
        async with session.post(f"{_API}/books", json=body, headers=self._staff) as response:
            response.raise_for_status()
            book = await response.json()
            return _Watched(book["id"], book["isbn13"], _FIRST_PRICE, response.headers["ETag"])

    async def _write(self, session: aiohttp.ClientSession, books: list[_Watched]) -> None:
        for turn in range(10**9):
            book = books[turn % len(books)]
            price = book.acknowledged + 1
            change = {"price": {"amount": price, "currency": "USD"}}
            headers = self._staff | {"If-Match": book.etag, "Idempotency-Key": f"{book.id}-{price}"}
            started = time.monotonic()
            while not await self._accepted(session, book, change, headers):
                self.findings.failed_writes += 1
                await asyncio.sleep(0.05)
            book.acknowledged = price
            self.findings.writes += 1
            self.findings.longest_write = max(self.findings.longest_write, time.monotonic() - started)

    @staticmethod
    async def _accepted(
        session: aiohttp.ClientSession, book: _Watched, change: dict[str, Any], headers: dict[str, str]
    ) -> bool:
        try:
            async with session.patch(f"{_API}/books/{book.id}", json=change, headers=headers) as response:
                if response.status == 200:  # noqa: PLR2004
                    book.etag = response.headers["ETag"]
                    return True
                if response.status < 500:  # noqa: PLR2004
                    raise AssertionError(f"a price change was refused: {response.status} {await response.text()}")
        except (aiohttp.ClientError, TimeoutError):
            pass  # the outcome is unknown: the same key tells
        return False

    async def _read(self, session: aiohttp.ClientSession, done: Callable[[], bool]) -> None:
        while not done():
            book = self._random.choice(self._books)
            path = self._random.choice(
                (
                    f"{_API}/books/{book.id}",
                    f"{_API}/books/{book.isbn}",
                    f"{_API}/books?author={self._mark}&limit={self._random.choice((50, 51))}",
                    f"{_API}/books/search?q={self._mark}&limit=50",
                )
            )
            floors = {one.id: one.acknowledged for one in self._books}
            try:
                async with session.get(path) as response:
                    if response.status != 200:  # noqa: PLR2004
                        self._failed(f"{response.status} {(await response.text())[:300]}")
                        continue
                    answer = await response.json()
                    by = response.headers.get("Cache-Status", "").split(";stored")[0]
            except (aiohttp.ClientError, TimeoutError) as error:
                self._failed(type(error).__name__)
                continue
            self._check(path, answer, floors, by)

    def _failed(self, how: str) -> None:
        self.findings.failed_reads[how] = self.findings.failed_reads.get(how, 0) + 1

    def _check(self, path: str, answer: dict[str, Any], floors: dict[str, int], by: str) -> None:
        self.findings.reads += 1
        self.findings.answered_by[by] = self.findings.answered_by.get(by, 0) + 1
        single = "data" not in answer
        shown = {one["id"]: one["price"]["amount"] for one in ([answer] if single else answer["data"])}
        for book_id in shown if single else floors:
            price = shown.get(book_id)
            if price is None or price < floors[book_id]:
                self.findings.stale.append(StaleRead(path, by, floors[book_id], price))


def _isbn13(number: int) -> str:
    digits = f"978{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-weighted % 10)
