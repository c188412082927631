"""Lets many buy at once over HTTP, and says in sentences what shouldn't have happened."""

import asyncio
import random
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from app.order_states import HOLDING, SOLD
from app.settings import Settings
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, order, put_in_cart
from tests.race.farm import DATABASE, Farm

_UNKNOWN: Final = frozenset({502, 503, 504})
"""After these a client sends the same again."""

VISA: Final = "pm_card_visa"


@dataclass(frozen=True)
class Market:
    """A farm's shop as buyers and staff reach it through its balancer, and its database."""

    buyer: httpx.AsyncClient
    staff: httpx.AsyncClient
    database: AsyncDatabase[dict[str, Any]]

    async def buy(self, *items: tuple[str, int], key: str | None = None, **overrides: Any) -> httpx.Response:
        """Order until the outcome is known, with one key."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self.surely(lambda: order(self.buyer, *items, headers=headers, **overrides))

    async def surely(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Ask until the outcome is known."""
        while True:
            try:
                answer = await ask()
            except httpx.TransportError:
                continue
            if answer.status_code not in _UNKNOWN:
                return answer
            await asyncio.sleep(random.random() * 0.2)

    async def wrong_stock(self, *books: str) -> list[str]:
        """Return what of these books' stock isn't what their orders and movements say."""
        found: list[str] = []
        for book in books:
            stock = await self.database["inventory"].find_one({"_id": book})
            assert stock is not None
            ordered: Counter[str] = Counter()
            async for placed in self.database["orders"].find({"lines.book_id": book}):
                copies = sum(line["quantity"] for line in placed["lines"] if line["book_id"] == book)
                ordered["held" if placed["status"] in HOLDING else "sold" if placed["status"] in SOLD else ""] += copies
            found += [
                f"{book}: {stock[where]} {where}, but orders say {ordered[where]}"
                for where in ("held", "sold")
                if stock[where] != ordered[where]
            ]
            if stock["on_hand"] + stock["sold"] != stock["received"]:
                found.append(f"{book}: {stock['received']} received, {stock['on_hand']} on hand, {stock['sold']} sold")
            if not 0 <= stock["held"] <= stock["on_hand"]:
                found.append(f"{book}: {stock['held']} of {stock['on_hand']} held")
        return found


@asynccontextmanager
async def open_market(settings: Settings, farm: Farm) -> AsyncIterator[Market]:
    """Open the shop of a farm for one buyer, who buys as many at once, and for staff."""
    limits = httpx.Limits(max_connections=200)

    def client() -> httpx.AsyncClient:
        # Staff may all that buyers may.
        headers = {"Authorization": f"Bearer {farm.staff_token}"}
        return httpx.AsyncClient(base_url=farm.url, headers=headers, timeout=20, limits=limits, trust_env=False)

    mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(settings.mongo_url.get_secret_value())
    async with mongo, client() as buyer, client() as staff:
        yield Market(buyer, staff, mongo[DATABASE])


async def last_copies(market: Market, *, buyers: int = 20, copies: int = 1) -> list[str]:
    """Let many buy a title of which there are few copies: each is sold once, and the others hear that."""
    book = await a_stocked_book(market.staff, copies)

    answers = await asyncio.gather(*(market.buy((book, 1)) for _ in range(buyers)))

    heard = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    expected = {(201, None): copies, (409, "insufficient_stock"): buyers - copies}
    return _unless(heard == expected, f"{buyers} buyers of {copies} copies heard {dict(heard)}") + (
        await market.wrong_stock(book)
    )


async def opposite_orders(market: Market) -> list[str]:
    """Let some buy two books, and others the same in opposite order: nobody gets half of it, nobody waits for ever."""
    plenty, few = await a_stocked_book(market.staff, 20), await a_stocked_book(market.staff, 5)
    carts = [((plenty, 1), (few, 1)), ((few, 1), (plenty, 1))]

    answers = await asyncio.gather(*(market.buy(*carts[number % 2]) for number in range(20)))

    heard = Counter(answer.status_code for answer in answers)
    return _unless(heard == {201: 5, 409: 15}, f"heard {dict(heard)}") + await market.wrong_stock(plenty, few)


async def same_key(market: Market) -> list[str]:
    """Send one order many times at once, through all replicas: it is one order, and each hears the same."""
    book, key = await a_stocked_book(market.staff, 50), uuid.uuid4().hex

    answers = await asyncio.gather(*(market.buy((book, 1), key=key) for _ in range(50)))

    heard = Counter(answer.status_code for answer in answers)
    bodies = len({answer.content for answer in answers})
    placed = await market.database["orders"].count_documents({"lines.book_id": book})
    return (
        _unless(heard == {201: 50}, f"heard {dict(heard)}")
        + _unless(bodies == 1, f"{bodies} different answers")
        + _unless(placed == 1, f"{placed} orders")
        + await market.wrong_stock(book)
    )


async def edited_cart(market: Market) -> list[str]:
    """Put a book into the cart while that is ordered: it is in the order or still in the cart."""
    first, second = await a_stocked_book(market.staff, 5), await a_stocked_book(market.staff, 5)
    await market.surely(lambda: market.buyer.delete(f"{API}/cart"))
    await put_in_cart(market.buyer, first)

    async def edit() -> httpx.Response:
        await asyncio.sleep(random.random() * 0.03)
        key, item = {"Idempotency-Key": uuid.uuid4().hex}, {"book_id": second, "quantity": 1}
        return await market.surely(lambda: market.buyer.post(f"{API}/cart/items", json=item, headers=key))

    placed, edited = await asyncio.gather(market.buy(), edit())

    if (placed.status_code, edited.status_code) != (201, 201):
        return [f"heard {placed.text} {edited.text}"]
    left = (await market.surely(lambda: market.buyer.get(f"{API}/cart"))).json()["items"]
    here = sorted(item["book_id"] for item in [*placed.json()["items"], *left])
    said = f"ordered and left are {here}, put in were {[first, second]}"
    return _unless(here == sorted([first, second]), said) + await market.wrong_stock(first, second)


async def cancelled_twice(market: Market) -> list[str]:
    """Cancel one order many times at once, beside another order of the book: its copies come back once."""
    book = await a_stocked_book(market.staff, 20)
    placed, _ = [(await market.buy((book, 2))).json() for _ in range(2)]
    path = f"{API}/orders/{placed['id']}/cancel"

    answers = await asyncio.gather(*(market.surely(lambda: market.buyer.post(path)) for _ in range(8)))

    heard = Counter(answer.status_code for answer in answers)
    return _unless(heard == {200: 8}, f"heard {dict(heard)}") + await market.wrong_stock(book)


async def cancelled_while_paid(market: Market) -> list[str]:
    """Cancel an order while it is paid, beside another order of the book: no copy is sold, no money is kept."""
    book = await a_stocked_book(market.staff, 20)
    placed, _ = [(await market.buy((book, 2))).json() for _ in range(2)]
    path = f"{API}/orders/{placed['id']}/cancel"
    payment = {"order_id": placed["id"], "payment_method": VISA}
    key = {"Idempotency-Key": uuid.uuid4().hex}

    async def cancel() -> httpx.Response:
        await asyncio.sleep(random.random() * 0.05)
        return await market.surely(lambda: market.buyer.post(path))

    paid, cancelled = await asyncio.gather(
        market.surely(lambda: market.buyer.post(f"{API}/payments", json=payment, headers=key)), cancel()
    )
    # Whoever was late left something to be settled.
    await market.surely(lambda: market.buyer.post(path))

    now = await market.database["orders"].find_one({"_id": placed["id"]})
    assert now is not None
    money = now["captured"] - now["refunded"]
    return (
        _unless(paid.status_code in {201, 402, 409}, f"paying: {paid.text}")
        + _unless(cancelled.status_code == 200, f"cancelling: {cancelled.text}")
        + _unless((now["status"], money) == ("cancelled", 0), f"the order is {now['status']}, and {money} were kept")
        + await market.wrong_stock(book)
    )


async def lost(race: Callable[[], Awaitable[Sequence[str]]], said: str) -> Sequence[str]:
    """Run a race until something like `said` is said of it; return all that was said then."""
    found: Sequence[str] = []
    while not any(re.search(said, sentence) for sentence in found):
        found = await race()
    return found


Race = Callable[[Market], Awaitable[Sequence[str]]]


def _unless(held: bool, sentence: str) -> list[str]:  # noqa: FBT001  reads as a sentence
    return [] if held else [sentence]
