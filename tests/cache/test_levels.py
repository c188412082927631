"""Everything that is cached, over HTTP through HAProxy: who answers, under which ETag, whole or not, packed or not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest

from app.settings import Settings
from tests.factories.books import API
from tests.race.farm import running_farm

LONG_ENOUGH = 60.0
STORED, SHARED, EDGE = "bookstore; fwd=uri-miss; stored", "bookstore; hit", "haproxy; hit"


@dataclass(frozen=True)
class Shelf:
    """A shop behind HAProxy with one book in one category."""

    client: httpx.AsyncClient
    book: str
    category: str

    def path(self, template: str) -> str:
        """The address of this shelf's book or category."""
        return API + template.format(book=self.book, category=self.category)

    async def answered_by(self, level: str, path: str, **headers: str) -> httpx.Response:
        """Ask until this level answers: HAProxy's answers run out by themselves."""
        async with asyncio.timeout(LONG_ENOUGH):
            while (answer := await self.client.get(path, headers=headers)).headers.get("cache-status") != level:
                await asyncio.sleep(0.05)
        return answer


@pytest.fixture(scope="module")
async def shelf(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shelf]:
    folder = tmp_path_factory.mktemp("levels")
    async with (
        running_farm(settings, folder, environment={}) as farm,
        # As a client that wants nothing packed unless it says so.
        httpx.AsyncClient(base_url=farm.url, trust_env=False, timeout=20, headers={"Accept-Encoding": ""}) as client,
    ):
        staff = {"Authorization": f"Bearer {farm.staff_token}"}
        made = await client.post(f"{API}/categories", json={"name": "Novels"}, headers=staff)
        body = {
            "title": "Emma",
            "authors": ["Jane Austen"],
            "language": "en",
            "isbn13": "9780141439587",
            "description": "Handsome, clever, and rich. " * 40,
            "categories": [made.json()["id"]],
            "price": {"amount": 100, "currency": "USD"},
        }
        book = await client.post(f"{API}/books", json=body, headers=staff)
        assert book.status_code == 201, book.text
        yield Shelf(client, book.json()["id"], made.json()["id"])


CACHED = (
    "/books/{book}",
    "/books/9780141439587",
    "/books?limit=5",
    "/books/search?q=emma",
    "/books/suggest?q=emm",
    "/categories",
    "/categories/{category}",
    "/categories/{category}/books",
)


async def test_both_levels_give_the_same_answer_in_every_shape(shelf: Shelf) -> None:
    async with asyncio.TaskGroup() as tasks:  # at once: each waits for HAProxy's answers to run out
        for template in CACHED:
            tasks.create_task(same_in_every_shape(shelf, template), name=template)


async def same_in_every_shape(shelf: Shelf, template: str) -> None:
    path, client = shelf.path(template), shelf.client

    # Whole, from each level in turn.
    first = await shelf.answered_by(STORED, path)  # at once, unless Redis had no time for it
    assert first.status_code == HTTPStatus.OK
    kept, shared = await shelf.answered_by(EDGE, path), await shelf.answered_by(SHARED, path)
    for answer in (kept, shared):
        assert (answer.content, answer.headers["etag"]) == (first.content, first.headers["etag"])
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert "content-encoding" not in answer.headers

    for encoding in ("", "gzip"):
        for level in (SHARED, EDGE):
            seen = await shelf.answered_by(level, path, **{"Accept-Encoding": encoding})
            assert seen.headers.get("content-encoding", "") == (encoding if len(first.content) > 1000 else "")
            assert seen.content == first.content

            # Not modified, by whichever level.
            asked = {"Accept-Encoding": encoding, "If-None-Match": seen.headers["etag"]}
            known = await client.get(path, headers=asked)
            assert (known.status_code, known.content) == (304, b"")
            assert known.headers["etag"] == seen.headers["etag"]
            other = await client.get(path, headers=asked | {"If-None-Match": '"another"'})
            assert (other.status_code, other.content) == (200, first.content)

            # The head alone.
            head = await client.head(path, headers={"Accept-Encoding": encoding})
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["etag"] == seen.headers["etag"]
