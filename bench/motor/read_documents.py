"""Reads books as Beanie documents for so many seconds; prints as JSON how many a second.

Runs under either driver, by itself: this file is started with the Python of the virtual environment under measurement.
`python read_documents.py motor|pymongo URL DATABASE SECONDS`
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Optional

import uvloop
from beanie import Document, init_beanie
from pydantic import BaseModel

CLIENTS = 16
PAGE = 100


class Money(BaseModel):
    """A price."""

    amount: int
    currency: str


class Category(BaseModel):
    """A category."""

    id: str
    slug: str
    name: str


class Book(Document):
    """A book as both versions of Beanie read it."""

    id: str  # type: ignore[assignment]  # the shop's ids are strings
    isbn13: Optional[str] = None  # noqa: UP045  the same spelling for both
    title: str
    authors: list[str]
    categories: list[Category]
    price: Money
    popularity: int
    created_at: datetime
    updated_at: datetime

    class Settings:
        """Where it is stored."""

        name = "books"


def client_of(driver: str, url: str) -> Any:
    """Return the driver's client."""
    if driver == "motor":
        return importlib.import_module("motor.motor_asyncio").AsyncIOMotorClient(url, tz_aware=True)
    return importlib.import_module("pymongo").AsyncMongoClient(url, tz_aware=True)


async def rate(read: Callable[[int], Awaitable[int]], *, seconds: float, clients: int = CLIENTS) -> tuple[float, float]:
    """Return how many documents a second so many clients read, and the microseconds of CPU that each took us."""
    documents = 0
    started, worked = time.perf_counter(), time.process_time()

    async def client(number: int) -> None:
        nonlocal documents
        while time.perf_counter() - started < seconds:
            found = await read(number)
            documents += found
            number += CLIENTS

    await asyncio.gather(*(client(number) for number in range(clients)))
    return documents / (time.perf_counter() - started), (time.process_time() - worked) / documents * 1e6


async def main(driver: str, url: str, database: str, seconds: float) -> None:
    """Read one by one, page by page, and one by one with nobody else asking."""
    await init_beanie(database=client_of(driver, url)[database], document_models=[Book], skip_indexes=True)
    ids = [book.id for book in await Book.find_all().limit(2_000).to_list()]

    async def one(number: int) -> int:
        return int(await Book.get(ids[number % len(ids)]) is not None)

    async def page(number: int) -> int:
        first = ids[number * PAGE % len(ids)]
        return len(await Book.find({"_id": {"$gte": first}}).sort("_id").limit(PAGE).to_list())

    await rate(one, seconds=0.3)
    await rate(page, seconds=0.3)
    result = {
        "one": await rate(one, seconds=seconds / 3),
        "page": await rate(page, seconds=seconds / 3),
        "alone": await rate(one, seconds=seconds / 3, clients=1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
