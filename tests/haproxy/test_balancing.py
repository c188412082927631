"""Which replica gets a request, when it is tried again, and how a replica leaves without anyone noticing."""

import asyncio
import csv
from collections.abc import Mapping
from functools import partial

import httpx
import pytest

from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import NOBODY, Edge, until
from tests.haproxy.origin import Answer, Origin, Seen


async def hang_up(seen: Seen) -> Answer:
    """Take the request and die without a word."""
    return Answer(close_instead=True)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_refused_connection_is_always_tried_elsewhere(
    start_edge: StartEdge, origin: Origin, second_origin: Origin, method: str
) -> None:
    # given two replicas, one of which dies just now
    edge = await start_edge(origin, second_origin)
    await origin.stop()
    # when
    answers = [await edge.client.request(method, "/api/v1/cart") for _ in range(6)]
    # then
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(second_origin.seen) == 6


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("HEAD", {}),
        ("OPTIONS", {}),
        ("POST", {"Idempotency-Key": "k1"}),
        ("PATCH", {"Idempotency-Key": "k1", "If-Match": '"1"'}),
        ("PUT", {}),
    ],
)
async def test_a_lost_answer_is_asked_for_again_where_that_is_harmless(
    start_edge: StartEdge, origin: Origin, second_origin: Origin, method: str, headers: Mapping[str, str]
) -> None:
    # given a replica that dies with the request in its hands, and one that doesn't
    origin.script = hang_up  # type: ignore[method-assign]
    edge = await start_edge(origin, second_origin)
    # when
    answers = [await edge.client.request(method, "/api/v1/cart", headers=headers) for _ in range(4)]
    # then
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(second_origin.seen) == 4
    assert len(origin.seen) >= 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [("POST", {}), ("PATCH", {"If-Match": '"1"'}), ("PUT", {"If-Match": '"1"'}), ("DELETE", {})],
)
async def test_a_lost_answer_is_502_where_twice_is_not_the_same_as_once(
    start_edge: StartEdge, origin: Origin, method: str, headers: Mapping[str, str]
) -> None:
    # given
    origin.script = hang_up  # type: ignore[method-assign]
    edge = await start_edge(origin)
    # when
    answer = await edge.client.request(method, "/api/v1/cart", headers=headers)
    # then
    assert (answer.status_code, len(origin.seen)) == (502, 1)


async def test_a_draining_replica_gets_nothing_new_and_finishes_what_it_has(
    start_edge: StartEdge, origin: Origin
) -> None:
    # given a request that a replica is at work on
    working = asyncio.Event()

    async def slow(seen: Seen) -> Answer:
        working.set()
        return Answer(body=b'"finished"', after=3)

    origin.script = slow  # type: ignore[method-assign]
    edge = await start_edge(origin, HAPROXY_API_2=NOBODY, HAPROXY_API_3=NOBODY)
    # when it is asked to go
    in_flight = asyncio.create_task(edge.client.post("/api/v1/orders"))
    await working.wait()
    origin.ready = 404
    await edge.until("api-1", "NOLB")
    refused = await edge.client.get("/api/v1/cart")
    # then
    assert refused.status_code == 503
    assert (await in_flight).json() == "finished"
    assert origin.checks[-1].target == "/readyz?draining=404"


async def test_a_replica_that_returns_is_used_again(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge = await start_edge(origin)
    await origin.stop()
    await edge.until("api-1", "DOWN")
    # when
    await origin.start()
    await edge.until("api-1", "UP")
    # then
    assert (await edge.client.get("/api/v1/cart")).status_code == 200


async def test_requests_on_a_hung_replica_move_on_when_it_is_noticed(
    start_edge: StartEdge, origin: Origin, second_origin: Origin
) -> None:
    # given a replica that takes connections and says nothing any more
    async def never(seen: Seen) -> Answer:
        return Answer(after=30)

    edge = await start_edge(origin, second_origin)
    hung = asyncio.get_running_loop().time()
    origin.script = never  # type: ignore[method-assign]
    origin.hung = True
    # when
    reads = [edge.client.get("/api/v1/cart") for _ in range(4)]
    keyed = [edge.client.post("/api/v1/orders", headers={"Idempotency-Key": f"k{number}"}) for number in range(4)]
    bare = [edge.client.post("/api/v1/auth/login") for _ in range(4)]
    answers: list[httpx.Response] = await asyncio.gather(*reads, *keyed, *bare)
    # then
    took = asyncio.get_running_loop().time() - hung
    assert [answer.status_code for answer in answers[:8]] == [200] * 8
    assert {answer.status_code for answer in answers[8:]} <= {200, 502, 503}
    assert took < 12


async def test_work_that_finds_no_place_in_time_is_shed(start_edge: StartEdge, origin: Origin) -> None:
    # given a replica whose 64 places are taken for longer than anyone waits
    async def slow(seen: Seen) -> Answer:
        return Answer(after=5)

    origin.script = slow  # type: ignore[method-assign]
    edge = await start_edge(origin, HAPROXY_API_2=NOBODY, HAPROXY_API_3=NOBODY, HAPROXY_PLACES="64")
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=edge.url, timeout=20, limits=limits, trust_env=False) as client:
        # when
        answers = await asyncio.gather(*(client.get("/api/v1/cart") for _ in range(80)))
    # then
    shed = [answer for answer in answers if answer.status_code == 503]
    assert (len(shed), len(origin.seen)) == (16, 64)
    assert {(answer.headers["retry-after"], answer.json()["code"]) for answer in shed} == {("1", "overloaded")}


async def test_who_hangs_up_while_waiting_for_a_place_is_not_served(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge, done, at_work = await _busy(start_edge, origin)
    leaving = asyncio.create_task(edge.client.post("/api/v1/orders"))
    await until(lambda: _line(edge, 1))

    # when
    leaving.cancel()
    await until(lambda: _line(edge, 0))
    done.set()
    patient = await edge.client.get("/api/v1/users/me")

    # then
    assert ((await at_work).status_code, patient.status_code) == (200, 200)
    assert "/api/v1/orders" not in {seen.target for seen in origin.seen}


async def test_a_book_overtakes_the_orders_and_searches_that_wait_for_a_place(
    start_edge: StartEdge, origin: Origin
) -> None:
    # given
    edge, done, at_work = await _busy(start_edge, origin)
    book = "/api/v1/books/bk_01J00000000000000000000000"

    # when each comes after the one before
    waiting = []
    for length, path in enumerate(["/api/v1/orders", "/api/v1/books/search?q=night", book], start=1):
        waiting.append(asyncio.create_task(edge.client.get(path)))
        await until(partial(_line, edge, length))
    done.set()
    await asyncio.gather(at_work, *waiting)

    # then
    assert origin.seen[1].target == book


async def _busy(start_edge: StartEdge, origin: Origin) -> tuple[Edge, asyncio.Event, asyncio.Task[httpx.Response]]:
    """An edge with one place, which is taken until the event."""
    done = asyncio.Event()

    async def when_done(seen: Seen) -> Answer:
        await done.wait()
        return Answer()

    origin.script = when_done  # type: ignore[method-assign]
    edge = await start_edge(origin, HAPROXY_API_2=NOBODY, HAPROXY_API_3=NOBODY, HAPROXY_PLACES="1")
    at_work = asyncio.create_task(edge.client.get("/api/v1/cart"))

    async def has_come() -> bool:
        return bool(origin.seen)

    await until(has_come)
    return edge, done, at_work


async def _line(edge: Edge, length: int) -> bool:
    rows = csv.DictReader((await edge.runtime("show stat")).splitlines())
    return any((row["# pxname"], row["svname"], row["qcur"]) == ("api", "BACKEND", str(length)) for row in rows)
