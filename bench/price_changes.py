"""Changes prices at a steady pace through the API, as staff do: If-Match, one change after the other of each book."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from bench.shop import API, Shop
from stack.errors import StackError
from stack.tokens import access_token

WRITERS = 4


@dataclass
class Changes:
    """What the writers saw."""

    seconds: list[float] = field(default_factory=list)
    """How long each acknowledged change took its client."""

    refusals: Counter[str] = field(default_factory=Counter)
    """How many answers other than 200 came, by problem code."""


@contextmanager
def changing_prices(shop: Shop, book_ids: Sequence[str], *, per_second: float, seen: Changes) -> Iterator[None]:
    """Change prices of these books while the block runs, so many a second in all."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(_write(shop, book_ids, per_second=per_second, seen=seen, stop=stop))
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise StackError(f"the writers failed: {failures[0]!r}") from failures[0]


async def _write(
    shop: Shop, book_ids: Sequence[str], *, per_second: float, seen: Changes, stop: threading.Event
) -> None:
    headers = {"Authorization": f"Bearer {access_token(shop.stack, role='staff')}"}
    async with httpx.AsyncClient(base_url=shop.stack.url, headers=headers, timeout=15) as client:
        shares = [list(book_ids[number::WRITERS]) for number in range(WRITERS)]
        await asyncio.gather(
            *(_writer(client, share, pause=WRITERS / per_second, seen=seen, stop=stop) for share in shares if share)
        )


async def _writer(
    client: httpx.AsyncClient, book_ids: Sequence[str], *, pause: float, seen: Changes, stop: threading.Event
) -> None:
    etags: dict[str, str] = {}
    due = time.monotonic() + random.random() * pause
    begun = False
    while not (begun and stop.is_set()):  # one change at least, however slow the machine
        await asyncio.sleep(max(due - time.monotonic(), 0))
        begun = True
        due = max(due + pause, time.monotonic())
        book_id = random.choice(book_ids)
        path = f"{API}/books/{book_id}"
        if book_id not in etags:
            etags[book_id] = (await client.get(path, headers={"Accept-Encoding": "identity"})).headers["ETag"]
        price = {"price": {"amount": random.randint(100, 9999), "currency": "USD"}}
        started = time.monotonic()
        answer = await client.patch(path, json=price, headers={"If-Match": etags.pop(book_id)})
        if answer.status_code == httpx.codes.OK:
            seen.seconds.append(time.monotonic() - started)
            etags[book_id] = answer.headers["ETag"]
        else:
            seen.refusals[answer.json()["code"]] += 1
