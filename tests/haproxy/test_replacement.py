"""A worker that replaces another (reload, restart) never shows what the other's writers had made unreachable."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from app.cache import edge as telling
from app.cache.edge import Edge as RuntimeSocket
from app.cache.tags import Names
from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import Edge, until
from tests.haproxy.origin import Origin
from tests.haproxy.test_edge_cache import BOOK, numbered


async def test_a_restart_empties_the_cache_and_the_generations_together(
    edge: Edge, origin: Origin, book_path: str
) -> None:
    # given
    numbered(origin)
    await edge.touch(BOOK, generation=5)
    await edge.client.get(book_path)
    # when
    await edge.stop()
    await edge.start()
    # then
    assert (await edge.client.get(book_path)).text == "2"
    assert "used:0" in await edge.runtime("show table edge_generations")


async def test_a_reload_empties_the_cache_and_the_generations_together(
    edge: Edge, origin: Origin, book_path: str
) -> None:
    # given
    numbered(origin)
    await edge.touch(BOOK, generation=5)
    await edge.client.get(book_path)
    # when
    await edge.reload()
    # then
    assert (await edge.client.get(book_path)).text == "2"
    assert "used:0" in await edge.runtime("show table edge_generations")


async def test_a_new_worker_keeps_nothing_until_the_old_one_is_surely_told_to_stop(
    start_edge: StartEdge, origin: Origin, book_path: str
) -> None:
    # given
    edge = await start_edge(origin, HAPROXY_SETTLE_SECONDS="5")
    numbered(origin)
    # when
    at_once = [(await edge.client.get(book_path)).text for _ in range(3)]

    async def hit() -> bool:
        return (await edge.client.get(book_path)).headers["cache-status"] == "haproxy; hit"

    await until(hit)
    # then
    assert at_once == ["1", "2", "3"]
    assert int(await edge.info("Uptime_sec")) >= 4  # both count whole seconds


async def test_an_old_worker_does_not_answer_from_its_cache_any_more(
    edge: Edge, origin: Origin, book_path: str
) -> None:
    # given a connection to the old worker that has a request half sent while the reload happens
    numbered(origin)
    await edge.client.get(book_path)
    host, port = edge.environment["HAPROXY_BIND"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {book_path} HTTP/1.1\r\n".encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    # when
    await edge.reload()
    await edge.touch(BOOK, generation=8)
    writer.write(b"Host: shop\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    # then
    assert answer.endswith(b"\r\n\r\n2")
    assert b"haproxy; hit" not in answer


async def test_a_reload_under_load_loses_no_request(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    statuses: list[int] = []
    done = asyncio.Event()

    async def ask_on_and_on() -> None:
        while not done.is_set():
            statuses.append((await edge.client.get(book_path)).status_code)

    # when
    askers = [asyncio.create_task(ask_on_and_on()) for _ in range(4)]
    for _ in range(3):
        await asyncio.sleep(0.2)
        await edge.reload()
    done.set()
    await asyncio.gather(*askers)
    # then
    assert len(statuses) > 100
    assert set(statuses) == {200}


class SaysItOnce(RuntimeSocket):
    """A build without a step: it takes the word of whichever worker answers first."""

    async def _say(self, names: Names) -> tuple[bool, bool]:
        confirmed, _ = await super()._say(names)
        return confirmed, True


@dataclass(frozen=True)
class Handover:
    """A reload between the start of the new worker and the signal to the old one: it stays so until a test goes on.

    Writers reach the new one; the old one still answers its clients from what it keeps.
    """

    old: Edge
    old_worker: int
    new: Edge

    @property
    def runtime_socket(self) -> str:
        return self.old.environment["HAPROXY_RUNTIME_SOCKET"]


@pytest_asyncio.fixture
async def handover(start_edge: StartEdge, origin: Origin, book_path: str, tmp_path: Path) -> AsyncIterator[Handover]:
    # Kept for a minute, so that nothing runs out by itself.
    old = await start_edge(origin, HAPROXY_EDGE_MAX_AGE="60")
    numbered(origin, CDN_Cache_Control="max-age=60")
    kept = [await old.client.get(book_path) for _ in range(2)]
    assert kept[1].headers["cache-status"] == "haproxy; hit"
    before = await old.info("Pid")
    folder = tmp_path / "new"
    folder.mkdir()
    async with Edge(folder, old.environment) as new:

        async def replaced() -> bool:
            return await new.info("Pid") not in {before, ""}

        await until(replaced)
        yield Handover(old, int(before), new)


async def test_who_tells_a_new_worker_waits_until_the_old_one_is_surely_told_to_stop(
    handover: Handover, book_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: no time is long enough yet
    monkeypatch.setattr(telling, "_SETTLE_SECONDS", 10_000)
    monkeypatch.setattr(telling, "_HANDOVER_SECONDS", 60)

    # when: told, and only then the old worker hears that it shall stop
    writer = asyncio.create_task(RuntimeSocket(handover.runtime_socket).renew(frozenset({BOOK})))

    async def told() -> bool:
        return BOOK in await handover.new.runtime("show table edge_generations")

    await until(told)
    assert not writer.done()
    await handover.old.finish(handover.old_worker)
    monkeypatch.setattr(telling, "_SETTLE_SECONDS", 0)

    # then
    assert await writer
    assert (await handover.old.client.get(book_path)).text == "2"


async def test_who_does_not_wait_leaves_the_old_worker_with_what_was_replaced(
    handover: Handover, book_path: str
) -> None:
    # when
    assert await SaysItOnce(handover.runtime_socket).renew(frozenset({BOOK}))

    # then
    assert BOOK in await handover.new.runtime("show table edge_generations")
    assert (await handover.old.client.get(book_path)).text == "1"
