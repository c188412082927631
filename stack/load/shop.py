"""Makes the books that a run writes to, and finds the ones that it reads."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from stack.errors import StackError
from stack.load.exchange import Exchange, Reply

PRICED_BOOKS = 8
STOCKED_BOOKS = 4
SOLD_BOOKS = 6
COPIES_TO_SELL = 100_000
FIRST_PRICE = 1000
_HOT_BOOKS = 20
_PAGES = 3


@dataclass
class PricedBook:
    """A book whose price only ever counts up: `acknowledged` is the last one that the shop confirmed."""

    id: str
    etag: str
    acknowledged: int = FIRST_PRICE
    asked: int = FIRST_PRICE


@dataclass
class StockedBook:
    """A book that gets one copy at a time; each with a mark of its own in the movement's reason."""

    id: str
    asked: int = 0
    acknowledged: list[str] = field(default_factory=list)


@dataclass
class Shop:
    """What a run works with. Its mark is one word that nothing else in the shop has."""

    mark: str
    hot: list[str]
    cold: list[str]
    priced: list[PricedBook]
    stocked: list[StockedBook]
    created: list[tuple[str, str]] = field(default_factory=list)
    sold: list[str] = field(default_factory=list)
    bought: list[str] = field(default_factory=list)
    """Orders that the shop acknowledged."""

    @property
    def priced_by(self) -> str:
        """The author of the books whose prices change."""
        return f"Prices {self.mark}"

    def title(self, number: int) -> str:
        """The title of the run's book with this number."""
        return f"Failover proof {self.mark} {number}"


def _book(title: str, author: str) -> bytes:
    price = {"amount": FIRST_PRICE, "currency": "USD"}
    return orjson.dumps({"title": title, "authors": [author], "language": "en", "price": price})


def book_called(shop: Shop, number: int) -> bytes:
    """The body that makes the run's book with this number."""
    return _book(shop.title(number), f"Titles {shop.mark}")


async def open_shop(exchange: Exchange) -> Shop:
    """Find books to read and make books to write.

    Raises:
        StackError: the shop doesn't answer, or has no books.
    """
    mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(10))
    found = await _some_books(exchange)
    if not found:
        raise StackError("the catalogue is empty; fill it with: ./bookstore import --starter")
    hot, cold = found[:_HOT_BOOKS], found[_HOT_BOOKS:] or found
    priced, stocked = [], []
    for number in range(PRICED_BOOKS):
        made = await _made(exchange, _book(f"Price proof {mark} {number}", f"Prices {mark}"))
        priced.append(PricedBook(orjson.loads(made.body)["id"], made.headers["etag"]))
    for number in range(STOCKED_BOOKS):
        made = await _made(exchange, _book(f"Stock proof {mark} {number}", f"Stocks {mark}"))
        stocked.append(StockedBook(orjson.loads(made.body)["id"]))
    return Shop(mark, hot, cold, priced, stocked)


async def stock_up(exchange: Exchange, shop: Shop) -> None:
    """Make the books that the run buys, with copies enough.

    Raises:
        StackError: the shop doesn't do it.
    """
    for number in range(SOLD_BOOKS):
        made = await _made(exchange, _book(f"Checkout proof {shop.mark} {number}", f"Sales {shop.mark}"))
        book = orjson.loads(made.body)["id"]
        body = orjson.dumps({"set": COPIES_TO_SELL, "reason": shop.mark})
        headers = {"Content-Type": "application/json"}
        reply = await exchange.send("PATCH", f"/api/v1/inventory/{book}", headers=headers, body=body)
        if reply.status != 200:  # noqa: PLR2004
            raise StackError(f"the shop answers {reply.status} to PATCH /api/v1/inventory: {reply.body.decode()[:200]}")
        shop.sold.append(book)


async def close_down(exchange: Exchange, shop: Shop) -> None:
    """Take the books that were bought out of the catalogue; orders keep their copy."""
    for book in shop.sold:
        await exchange.send("DELETE", f"/api/v1/books/{book}", headers={"If-Match": "*"})


def purchase_of(shop: Shop, number: int) -> bytes:
    """The body that buys the run's books: one or two of them, in any order, paid at once."""
    books = shop.sold[number % len(shop.sold) :] + shop.sold[: number % len(shop.sold)]
    wanted = books[: 1 + number % 2]
    address = {"name": "Load", "line1": "1 Proof Lane", "city": "London", "postal_code": "N1", "country": "GB"}
    items = [{"book_id": book, "quantity": 1 + number % 3} for book in wanted]
    return orjson.dumps({"items": items, "shipping_address": address, "payment_method": "pm_card_visa"})


async def _some_books(exchange: Exchange) -> list[str]:
    found: list[str] = []
    cursor = ""
    for _ in range(_PAGES):
        page = await _read(exchange, f"/api/v1/books?limit=100{cursor}")
        found += [book["id"] for book in page["data"]]
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(page['page']['next_cursor'])}"
    return found


async def _read(exchange: Exchange, target: str) -> dict[str, Any]:
    reply = await exchange.send("GET", target)
    if reply.status != 200:  # noqa: PLR2004
        raise StackError(f"the shop answers {reply.status} to GET {target}")
    page: dict[str, Any] = orjson.loads(reply.body)
    return page


async def _made(exchange: Exchange, body: bytes) -> Reply:
    reply = await exchange.send("POST", "/api/v1/books", headers={"Content-Type": "application/json"}, body=body)
    if reply.status != 201:  # noqa: PLR2004
        raise StackError(f"the shop answers {reply.status} to POST /api/v1/books: {reply.body.decode()[:200]}")
    return reply
