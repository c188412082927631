"""Orders at the shop's till, and the bare loop that does the same transaction's writes."""

import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from bson import json_util
from pymongo import MongoClient

from bench.shop import ADDRESS, API, Shop
from bench.wrk import Sample, run_wrk
from stack.environment import inherited_environment
from stack.errors import StackError
from stack.tokens import access_token

TITLES: Final = 1_000

LEAD_SECONDS: Final = 2.0
"""Answers count when so much time has passed: every client is at work then, and stays so until the end. Counted from
the beginning, 128 clients who wait a second each had lost 128 answers of some 500."""

ORDERS: Final = Path(__file__).with_name("orders.lua")
_COPIES: Final = 10_000_000
_DAY: Final = 86_400
_FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Till:
    """A shop with books that never run out, and one order's rows to copy."""

    shop: Shop
    token: str
    books: list[str]
    rows: dict[str, dict[str, Any]]

    def order(self, books: Sequence[str], *, clients: int, seconds: float, pay_by: str = "") -> Sample:
        """Order these books through HAProxy; pay with the same request where a payment method is given."""
        return run_wrk(
            self.shop.stack.url,
            self.write_orders(books, pay_by=pay_by),
            seconds=LEAD_SECONDS + seconds,
            connections=clients,
            threads=min(clients, 2),
            script=ORDERS,
        )

    def write_orders(self, books: Sequence[str], *, pay_by: str = "") -> Path:
        """Write down for `orders.lua` which books to order, and return the file; it counts from `LEAD_SECONDS` on."""
        file = self.shop.profile.run / "orders.txt"
        lines = [self.token, uuid.uuid4().hex, pay_by, str(time.time() + LEAD_SECONDS), *books]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def write(self, books: Sequence[str], *, clients: int, seconds: float) -> Sample:
        """Write what orders of these books write, from as many processes as the shop has replicas."""
        replicas = len(self.shop.replica_urls)
        shares = [clients // replicas + (number < clients % replicas) for number in range(replicas)]
        environment = {**inherited_environment(), **self.shop.stack.environment}
        command = (sys.executable, "-m", "bench.contenders.bare_checkout")
        loops = [
            # Each in a session of its own, as each part of the shop is (`bench.serving`).
            subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            for _ in shares
        ]
        count_from = time.time() + LEAD_SECONDS
        when = {"count_from": count_from, "until": count_from + seconds}
        for loop, share in zip(loops, shares, strict=True):
            job = {"clients": share, **when, "books": list(books), "rows": self.rows}
            assert loop.stdin is not None
            loop.stdin.write(json_util.dumps(job))
            loop.stdin.close()
            loop.stdin = None
        took = sorted(one for loop in loops for one in json_util.loads(loop.communicate()[0] or "[]"))
        if any(loop.returncode for loop in loops):
            raise StackError("the bare loop failed")
        if not took:
            return Sample(0, 0, 0, 0, 0)
        return Sample(len(took) / seconds, took[len(took) // 2], took[int(len(took) * 0.99)], len(took), 0)


def open_till(shop: Shop) -> Till:
    """Give the popular books more copies than are ever sold, forget earlier orders, and place one.

    Raises:
        StackError: the shop takes no order.
    """
    environment = shop.stack.environment
    token = access_token(shop.stack, role="customer", seconds=_DAY)
    shop.forget_orders()
    shop.wait_until_idle()
    books = shop.popular_ids(TITLES)
    with MongoClient[dict[str, Any]](environment["BOOKSTORE_MONGO_URL"]) as client:
        database = client[environment["BOOKSTORE_MONGO_DATABASE"]]
        plenty = {"on_hand": _COPIES, "held": 0, "sold": 0, "received": _COPIES}
        database["inventory"].update_many({"_id": {"$in": books}}, {"$set": plenty})
        placed = httpx.post(
            f"{shop.stack.url}{API}/orders",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex},
            json={
                "items": [{"book_id": books[0], "quantity": 1}],
                "shipping_address": ADDRESS,
            },
            timeout=15,
        )
        if placed.status_code != httpx.codes.CREATED:
            raise StackError(f"the shop answers {placed.status_code} to an order: {placed.text[:300]}")
        order_id = placed.json()["id"]
        about = {"orders": "_id", "payments": "order_id", "outbox_events": "subject", "stock_movements": "order_id"}
        rows = {name: database[name].find_one({field: order_id}) or {} for name, field in about.items()}
        rows["idempotency_keys"] = database["idempotency_keys"].find_one({}, sort=[("created_at", -1)]) or {}
        # Copies that are in the same indexes, and that the shop's own workers leave alone for many years.
        rows["payments"] |= {"ask_at": _FAR, "intent_id": None, "client_secret": None}
        rows["orders"] |= {"expires_at": _FAR}
    return Till(shop, token, books, rows)
