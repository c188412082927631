"""Changes prices at a steady pace through the API, as staff do: If-Match, one change after the other of each book."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from bench.connection import Connection
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
    shares = [list(book_ids[number::WRITERS]) for number in range(WRITERS)]
    connections = [Connection(shop.stack.url) for _ in range(WRITERS)]
    try:
        async with asyncio.TaskGroup() as tasks:
            for connection, share in zip(connections, shares, strict=True):
                if share:
                    pause = WRITERS / per_second
                    tasks.create_task(_writer(connection, share, headers, pause=pause, seen=seen, stop=stop))
    finally:
        for connection in connections:
            await connection.close()


async def _writer(
    connection: Connection,
    book_ids: Sequence[str],
    headers: Mapping[str, str],
    *,
    pause: float,
    seen: Changes,
    stop: threading.Event,
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
            etags[book_id] = (await connection.ask("GET", path)).header("ETag")
        price = {"price": {"amount": random.randint(100, 9999), "currency": "USD"}}
        conditions = {"If-Match": etags.pop(book_id), "Content-Type": "application/json"}
        started = time.monotonic()
        answer = await connection.ask("PATCH", path, {**headers, **conditions}, json.dumps(price).encode())
        if answer.status == HTTPStatus.OK:
            seen.seconds.append(time.monotonic() - started)
            etags[book_id] = answer.header("ETag")
        else:
            seen.refusals[json.loads(answer.body)["code"]] += 1
