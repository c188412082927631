"""Sends the shop's requests, repeats those whose outcome is unknown, and checks what every answer shows."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from stack.load.exchange import Exchange, Lost, Reply
from stack.load.history import History, Kind, Repeat, Sample, StaleRead
from stack.load.shop import PricedBook, Shop, book_called, purchase_of

CLIENT_SECONDS = 15.0
"""The uppermost rung of the deadline ladder."""

_REPEAT_SECONDS = 90.0
_LONGEST_PAUSE = 1.0
_SHORTEST_PAUSE = 0.1

_H, _W, _C = Kind.HOT, Kind.WATCHED, Kind.COLD
PATTERN = (_H, _W, _C, _H, Kind.CREATE, _H, _W, _H, _C, _H, Kind.PRICE, _H, _W, _C, _H, Kind.STOCK, _H, _W, _C, _H)
"""Requests in the order in which they are due, over and over: 15 % writes."""

PURCHASES = (Kind.BUY, _H, Kind.BUY, _C)
"""Every other request buys."""

_DEFINITE = range(200, 500)
_PATCH = {"Content-Type": "application/merge-patch+json"}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Asked:
    """One request, ready to be sent, and sent again."""

    kind: Kind
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Traffic:
    """The requests of one run and their history. Times are seconds since it was made."""

    def __init__(self, exchange: Exchange, shop: Shop, *, pattern: tuple[Kind, ...] = PATTERN) -> None:
        """Take the way to the shop and what to work with there."""
        self.history = History()
        self.shop = shop
        self.began = time.monotonic()
        self._exchange = exchange
        self._pattern = pattern
        self._numbers = dict.fromkeys(Kind, 0)
        self._turns = {book.id: asyncio.Lock() for book in shop.priced}
        self._flying: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def in_flight(self) -> int:
        """Requests that aren't settled yet."""
        return len(self._flying)

    async def drive(self, *, rate: float, until: Callable[[], bool]) -> None:
        """Send so many requests a second, whether answers come or not, until told to end; then wait for the rest."""
        begin, count = self.now(), 0
        try:
            while not until():
                due = begin + count / rate
                wait = due - self.now()
                if wait > 0:
                    await asyncio.sleep(min(wait, 0.1))
                    continue
                self._launch(self._pattern[count % len(self._pattern)], due)
                count += 1
                if count % 20 == 0:
                    await asyncio.sleep(0)  # where the pace is lost, answers must be read all the same
            while self._flying:
                await asyncio.wait(self._flying)
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    def _launch(self, kind: Kind, due: float) -> None:
        number = self._numbers[kind]
        self._numbers[kind] += 1
        work = {
            Kind.HOT: self._read_hot,
            Kind.WATCHED: self._read_watched,
            Kind.COLD: self._read_cold,
            Kind.CREATE: self._create,
            Kind.PRICE: self._raise_price,
            Kind.STOCK: self._add_copy,
            Kind.BUY: self._buy,
        }[kind]
        task = asyncio.create_task(work(number, due))
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.history.broken_promises.append(f"the load generator failed: {error!r}")

    async def _read_hot(self, number: int, due: float) -> None:
        book = self.shop.hot[number % len(self.shop.hot)]
        await self._settle(Asked(Kind.HOT, "GET", f"/api/v1/books/{book}", {}), due)

    async def _read_cold(self, number: int, due: float) -> None:
        book = self.shop.cold[number % len(self.shop.cold)]
        # Each address is asked for once, so that neither level of the cache knows it.
        target = (
            f"/api/v1/books/{book}?once={self.shop.mark}{number}",
            f"/api/v1/books?limit=5&price_min={number}&language=en",
            f"/api/v1/books/{book}?once={self.shop.mark}{number}",
            f"/api/v1/books/search?q=the+night&limit=5&price_min={number}",
        )[number % 4]
        await self._settle(Asked(Kind.COLD, "GET", target, {}), due)

    async def _read_watched(self, number: int, due: float) -> None:
        shop = self.shop
        author = quote(shop.priced_by)
        match number % 4:
            case 0 | 2 if shop.created:
                book, title = shop.created[-1 - number // 2 % min(len(shop.created), 50)]
                await self._check_created(book, title, due)
            case 1:
                await self._check_prices(f"/api/v1/books?author={author}&limit=10", shop.priced, due)
            case 3 if number % 8 == 3:  # noqa: PLR2004
                await self._check_prices(f"/api/v1/books/search?q={shop.mark}&author={author}", shop.priced, due)
            case _:
                book_ = shop.priced[number // 4 % len(shop.priced)]
                await self._check_prices(f"/api/v1/books/{book_.id}", [book_], due)

    async def _check_prices(self, target: str, books: list[PricedBook], due: float) -> None:
        floors: dict[str, int] = {}

        def note_floors() -> None:
            floors.update({book.id: book.acknowledged for book in books})

        reply = await self._settle(Asked(Kind.WATCHED, "GET", target, {}), due, before=note_floors)
        if reply is None:
            return
        answer = orjson.loads(reply.body)
        shown = {book["id"]: book["price"]["amount"] for book in answer.get("data", [answer])}
        self.history.checked_reads += 1
        for book, floor in floors.items():
            price = shown.get(book)
            if price is None or price < floor:
                said = f"price {price}" if price is not None else "no such book"
                self.history.stale.append(StaleRead(self.now(), target, f"{book}: {said}", f"price {floor}"))

    async def _check_created(self, book: str, title: str, due: float) -> None:
        target = f"/api/v1/books/{book}"
        reply = await self._settle(Asked(Kind.WATCHED, "GET", target, {}), due, expected=(200, 404))
        if reply is None:
            return
        self.history.checked_reads += 1
        if reply.status != 200 or orjson.loads(reply.body)["title"] != title:  # noqa: PLR2004
            self.history.stale.append(StaleRead(self.now(), target, f"status {reply.status}", title))

    async def _create(self, number: int, due: float) -> None:
        shop = self.shop
        headers = {**_JSON, "Idempotency-Key": f"{shop.mark}-create-{number}"}
        reply = await self._settle(
            Asked(Kind.CREATE, "POST", "/api/v1/books", headers, book_called(shop, number)), due, expected=(201,)
        )
        if reply is not None:
            shop.created.append((orjson.loads(reply.body)["id"], shop.title(number)))

    async def _raise_price(self, number: int, due: float) -> None:
        book = self.shop.priced[number % len(self.shop.priced)]
        async with self._turns[book.id]:
            price = book.asked = book.acknowledged + 1
            headers = {**_PATCH, "If-Match": book.etag, "Idempotency-Key": f"{self.shop.mark}-price-{number}"}
            body = orjson.dumps({"price": {"amount": price, "currency": "USD"}})
            reply = await self._settle(Asked(Kind.PRICE, "PATCH", f"/api/v1/books/{book.id}", headers, body), due)
            if reply is not None:
                book.acknowledged, book.etag = price, reply.headers["etag"]

    async def _add_copy(self, number: int, due: float) -> None:
        book = self.shop.stocked[number % len(self.shop.stocked)]
        mark = f"{self.shop.mark}-stock-{number}"
        book.asked += 1
        body = orjson.dumps({"delta": 1, "reason": mark})
        headers = {**_JSON, "Idempotency-Key": mark}
        reply = await self._settle(Asked(Kind.STOCK, "PATCH", f"/api/v1/inventory/{book.id}", headers, body), due)
        if reply is not None:
            book.acknowledged.append(mark)

    async def _buy(self, number: int, due: float) -> None:
        headers = {**_JSON, "Idempotency-Key": f"{self.shop.mark}-buy-{number}"}
        body = purchase_of(self.shop, number)
        reply = await self._settle(Asked(Kind.BUY, "POST", "/api/v1/orders", headers, body), due, expected=(201,))
        if reply is not None:
            self.shop.bought.append(orjson.loads(reply.body)["id"])

    async def _settle(
        self, asked: Asked, due: float, *, expected: tuple[int, ...] = (200,), before: Callable[[], None] | None = None
    ) -> Reply | None:
        """Send it, and again while its outcome is unknown; None where it was refused or stayed unknown."""
        first, tries = "", 0
        while True:
            if before is not None:
                before()
            reply, outcome = await self._try(asked)
            tries += 1
            known = reply is not None and reply.status in _DEFINITE
            done = known and reply is not None and reply.status in expected
            if tries == 1:
                first = outcome
                by = _answered_by(reply) if reply is not None and done else ""
                self.history.samples.append(Sample(asked.kind, due, self.now(), outcome, done, by))
            gave_up = not known and self.now() - due > _REPEAT_SECONDS
            if known or gave_up:
                break
            await asyncio.sleep(_pause(reply))
        if known and not done:
            self.history.broken_promises.append(f"{asked.method} {asked.target}: {outcome} on try {tries}")
        if tries > 1:
            settled = "done" if done else outcome if known else None
            self.history.repeats.append(Repeat(asked.kind, due, first, tries, settled, self.now()))
        return reply if done else None

    async def _try(self, asked: Asked) -> tuple[Reply | None, str]:
        try:
            reply = await self._exchange.send(
                asked.method, asked.target, headers=asked.headers, body=asked.body, seconds=CLIENT_SECONDS
            )
        except TimeoutError:
            return None, f"no answer in {CLIENT_SECONDS:.0f} s"
        except Lost:
            return None, "lost connection"
        if reply.status < 400:  # noqa: PLR2004
            return reply, str(reply.status)
        return reply, f"{reply.status} {_code(reply)}".strip()


def _answered_by(reply: Reply) -> str:
    said = reply.headers.get("cache-status", "")
    return {"haproxy; hit": "HAProxy", "bookstore; hit": "Redis"}.get(said, "MongoDB")


def _code(reply: Reply) -> str:
    if "json" not in reply.headers.get("content-type", ""):
        return ""
    return str(orjson.loads(reply.body).get("code", ""))


def _pause(reply: Reply | None) -> float:
    told = reply.headers.get("retry-after", "") if reply is not None else ""
    return min(max(float(told), _SHORTEST_PAUSE), _LONGEST_PAUSE) if told.isdigit() else _SHORTEST_PAUSE
