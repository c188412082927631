"""Journeys through the shop for Locust: people who browse, people who search, and staff who change prices.

`./bookstore load` runs them without a page. With Locust's own page, on a running system:

    BOOKSTORE_STAFF_TOKEN=$(./bookstore token --role staff) .bookstore/venv/bin/locust -f loadtests/locustfile.py \
        --host http://127.0.0.1:8080

and open http://127.0.0.1:8089. Without the token the staff stay at home.
"""

import os
import random
import uuid
from typing import Any

from locust import FastHttpUser, between, constant_throughput, task

_API = "/api/v1"
_PER_USER = os.environ.get("BOOKSTORE_LOAD_RATE_PER_USER")
_TOKEN = os.environ.get("BOOKSTORE_STAFF_TOKEN", "")

QUERIES = ("the", "hary poter", "love", "war and peace", "brontë", "dune", "night", "pride prejudice", "agatha", "king")

chance = random.Random(20)  # noqa: S311  draws journeys, not secrets


class Shopper(FastHttpUser):
    """What every journey can do."""

    abstract = True
    wait_time = constant_throughput(float(_PER_USER)) if _PER_USER else between(0.3, 1.2)

    def look(self, path: str, name: str, **known: str) -> Any:
        """Get one page of the API; the answer's JSON, or None for 304 and failures."""
        with self.client.get(f"{_API}{path}", name=name, headers=known, catch_response=True) as answer:
            if answer.status_code not in {200, 304}:
                answer.failure(f"{answer.status_code}: {(answer.text or '')[:200]}")
                return None
            answer.success()
            return answer.json() if answer.status_code == 200 else None  # noqa: PLR2004

    def open_book(self, book: str) -> None:
        """Read a book's page, and come back to it later with its ETag."""
        with self.client.get(f"{_API}/books/{book}", name="/books/{id}", catch_response=True) as answer:
            if answer.status_code != 200:  # noqa: PLR2004
                answer.failure(f"{answer.status_code}: {(answer.text or '')[:200]}")
                return
            etag = answer.headers["ETag"]
        self.look(f"/books/{book}", "/books/{id} again", **{"If-None-Match": etag})


class Browser(Shopper):
    """Turns the pages of the catalogue."""

    weight = 5

    @task
    def browse(self) -> None:
        """List, next page, a category, a book."""
        page = self.look("/books?limit=20", "/books")
        if page and page["page"]["next_cursor"]:
            self.look(f"/books?limit=20&cursor={page['page']['next_cursor']}", "/books, next page")
        categories = self.look("/categories", "/categories")
        if categories and categories["data"]:
            category = chance.choice(categories["data"])["slug"]
            self.look(f"/categories/{category}/books", "/categories/{slug}/books")
        if page and page["data"]:
            self.open_book(chance.choice(page["data"])["id"])


class Searcher(Shopper):
    """Knows roughly what it wants."""

    weight = 4

    @task
    def search(self) -> None:
        """Type, search, narrow, open."""
        query = chance.choice(QUERIES)
        self.look(f"/books/suggest?q={query[:3]}", "/books/suggest")
        found = self.look(f"/books/search?q={query}&facets=category,language", "/books/search")
        self.look(f"/books/search?q={query}&price_max={chance.randrange(900, 3000, 100)}", "/books/search, narrowed")
        if found and found["data"]:
            self.open_book(chance.choice(found["data"])["id"])


class Clerk(Shopper):
    """Works in the shop: has a book of its own, and changes its price."""

    weight = 1 if _TOKEN else 0

    def on_start(self) -> None:
        """Add a book."""
        self._price, self._book, self._etag = 1000, "", ""
        price = {"amount": self._price, "currency": "USD"}
        title = f"Load test {uuid.uuid4().hex[:12]}"
        body = {"title": title, "authors": ["A. Clerk"], "language": "en", "price": price}
        self._write("POST", "/books", "/books", body, expected=201)

    @task
    def change_price(self) -> None:
        """Raise the price, and see it at once."""
        if not self._book:
            self.on_start()
            return
        self._price += 1
        price = {"amount": self._price, "currency": "USD"}
        self._write("PATCH", f"/books/{self._book}", "/books/{id}", {"price": price}, expected=200)
        book = self.look(f"/books/{self._book}", "/books/{id}, just changed")
        if book and book["price"]["amount"] < self._price:
            self.environment.events.request.fire(
                request_type="GET",
                name="/books/{id}, just changed",
                response_time=0,
                response_length=0,
                exception=AssertionError(f"stale: {book['price']['amount']}, not {self._price}"),
                context={},
            )

    def on_stop(self) -> None:
        """Take the book out of the shop again."""
        if self._book:
            self._write("DELETE", f"/books/{self._book}", "/books/{id}", None, expected=204)

    def _write(self, method: str, path: str, name: str, body: Any, *, expected: int) -> None:
        headers = {"Authorization": f"Bearer {_TOKEN}", "Idempotency-Key": uuid.uuid4().hex}
        if self._etag:
            headers["If-Match"] = self._etag
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        with self.client.request(
            method, f"{_API}{path}", name=name, json=body, headers=headers, catch_response=True
        ) as answer:
            if answer.status_code != expected:
                answer.failure(f"{answer.status_code}: {(answer.text or '')[:200]}")
                return
            if answer.status_code in {200, 201}:
                self._book, self._etag = answer.json()["id"], answer.headers["ETag"]
