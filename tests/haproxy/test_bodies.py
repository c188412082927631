"""Bodies that are too large, or don't come: no replica is bothered with them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.haproxy.edge import Edge
from tests.haproxy.origin import Origin


async def test_a_huge_body_is_413_before_it_is_read(edge: Edge, origin: Origin) -> None:
    # when
    head = (
        b"POST /api/v1/books HTTP/1.1\r\nHost: shop\r\nX-Request-ID: the-request-1\r\nConnection: close\r\n"
        b"Content-Length: 65537\r\n\r\n"
    )
    said = await edge.raw(head)
    # then
    top, _, body = said.data.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body) == {
        "type": "/docs/errors#payload_too_large", "title": "Request Entity Too Large", "status": 413,
        "detail": "The body is larger than 64 KiB.", "instance": "/api/v1/books", "code": "payload_too_large",
        "request_id": "the-request-1", "retryable": False,
    }  # fmt: skip
    assert origin.seen == []


async def test_a_body_that_does_not_come_holds_no_replica(edge: Edge, origin: Origin) -> None:
    # when
    begun = b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nX-Request-ID: the-request-1\r\nContent-Length: 9\r\n\r\n{"
    answer = await edge.raw(begun, wait=30)
    # then
    head, _, body = answer.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert (json.loads(body)["code"], json.loads(body)["request_id"]) == ("request_timeout", "the-request-1")
    assert origin.seen == []


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_a_body_of_which_most_came_holds_no_replica_either(edge: Edge, origin: Origin, method: bytes) -> None:
    # given: more than would fill a small buffer, and less than is refused for its size
    top, part = method + b" /api/v1/orders HTTP/1.1\r\nHost: shop\r\n", b"x" * 60_000
    begun = [
        top + b"Content-Length: 65536\r\n\r\n" + part,
        top + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n" + part,
        top + b"Filler: " + b"y" * 23_000 + b"\r\nContent-Length: 65536\r\n\r\n" + part,
    ]
    # when
    answers = await asyncio.gather(*(edge.raw(one, wait=30) for one in begun))
    # then
    assert [answer.data[:13] for answer in answers] == [b"HTTP/1.1 408 "] * 3
    for head, _, body in (answer.data.partition(b"\r\n\r\n") for answer in answers):
        assert f"x-request-id: {json.loads(body)['request_id']}\r\n".encode() in head + b"\r\n"
    assert origin.seen == []


async def test_what_does_not_fit_whole_is_refused(edge: Edge, origin: Origin) -> None:
    # given
    top, endless = b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\n", b"x" * 150_000
    chunked = b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n"
    # when
    large = await asyncio.to_thread(said_to, edge, top + chunked + endless)
    long_headed = await asyncio.to_thread(
        said_to, edge, top + b"Filler: " + b"y" * 30_000 + b"\r\n" + chunked + endless
    )
    # then
    assert large.startswith(b"HTTP/1.1 413 ")
    assert long_headed == b""
    assert origin.seen == []


def said_to(edge: Edge, data: bytes) -> bytes:
    """Send all of it, heard or not, and return what was said; a stream forgets that where the other side hangs up."""
    host, port = edge.environment["HAPROXY_BIND"].split(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                said += part
    return said


@pytest.mark.parametrize("chunk", [0, 16, 65_536], ids=["not chunked", "small chunks", "one chunk"])
async def test_the_largest_body_comes_through(edge: Edge, origin: Origin, chunk: int) -> None:
    # given
    body, headers = b"x" * 65_536, {"Host": "shop", "Filler": "y" * 23_000}

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), chunk):
            yield body[at : at + chunk]

    # when
    answer = await edge.client.post("/api/v1/orders", content=pieces() if chunk else body, headers=headers)
    # then
    assert answer.status_code == 200
    assert [len(seen.body) for seen in origin.seen] == [len(body)]
