"""A worker that replaces another (reload, restart) never shows what the other's writers had made unreachable."""

import asyncio

from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import Edge
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
