"""A worker that replaces another (reload, restart) never shows what the other's writers had made unreachable."""

import asyncio
from collections.abc import AsyncIterator
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
    edge = await start_edge(origin, HAPROXY_SETTLE_SECONDS="2")
    numbered(origin)
    # when
    at_once = [(await edge.client.get(book_path)).text for _ in range(3)]
    await asyncio.sleep(2.1)  # later does no harm
    later = [(await edge.client.get(book_path)).text for _ in range(3)]
    # then
    assert (at_once, later) == (["1", "2", "3"], ["4", "4", "4"])
    assert int(await edge.info("Uptime_sec")) >= 2


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


@pytest_asyncio.fixture
async def new_worker(
    edge: Edge, origin: Origin, book_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Edge]:
    """A worker that writers reach, beside an old one that still answers its clients from what it keeps.

    So it is in a reload between the start of the one and the signal to the other; here it stays so.
    """
    numbered(origin)
    kept = [await edge.client.get(book_path) for _ in range(2)]
    assert kept[1].headers["cache-status"] == "haproxy; hit"
    old = await edge.info("Pid")
    folder = tmp_path / "new"
    folder.mkdir()
    async with Edge(folder, edge.environment) as new:

        async def replaced() -> bool:
            return await new.info("Pid") not in {old, ""}

        await until(replaced)
        # From now, however long it took to get here.
        monkeypatch.setattr(telling, "_SETTLE_SECONDS", int(await new.info("Uptime_sec")) + 3)
        yield new


async def test_who_tells_a_new_worker_waits_until_the_old_one_is_surely_told_to_stop(
    edge: Edge, new_worker: Edge, book_path: str
) -> None:
    # when: told, and only then the old worker hears that it shall stop
    writer = asyncio.create_task(RuntimeSocket(edge.environment["HAPROXY_RUNTIME_SOCKET"]).renew(frozenset({BOOK})))

    async def told() -> bool:
        return BOOK in await new_worker.runtime("show table edge_generations")

    await until(told)
    assert not writer.done()
    edge.finish()

    # then
    assert await writer
    assert (await edge.client.get(book_path)).text == "2"


async def test_who_does_not_wait_leaves_the_old_worker_with_what_was_replaced(
    edge: Edge, new_worker: Edge, book_path: str
) -> None:
    # when
    assert await SaysItOnce(edge.environment["HAPROXY_RUNTIME_SOCKET"]).renew(frozenset({BOOK}))

    # then
    assert BOOK in await new_worker.runtime("show table edge_generations")
    assert (await edge.client.get(book_path)).text == "1"
