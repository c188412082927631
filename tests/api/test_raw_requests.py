"""Requests that no client library would send, byte by byte, through HAProxy to a replica."""

import asyncio
import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

PATIENCE = 20


class Answer:
    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert (found["status"], found["request_id"]) == (self.status, self.headers["x-request-id"])
        return found


async def _send(*pieces: bytes) -> Answer:
    address = urlsplit(os.environ["BOOKSTORE_URL"])
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head, re.IGNORECASE)
            whole = length and not pieces[0].startswith(b"HEAD ")
            return Answer(head + await (reader.readexactly(int(length[1])) if whole and length else reader.read()))
    finally:
        writer.close()


def _request(target: bytes, *, method: bytes = b"GET", headers: bytes = b"") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + headers + b"\r\n"


@pytest.mark.parametrize(
    "reference",
    [b"%00", b"%ff%fe", b"%c0%af", b"%ed%a0%80", b"%zz", b"%", b"%2", b"%2e%2e%2f", b"$ne", b"{}", b"a;b=c", b"%25%30"],
)
async def test_strange_paths_are_not_found(reference: bytes) -> None:
    for template in (b"/api/v1/books/%s", b"/api/v1/books/%s/related", b"/api/v1/categories/%s", b"/%s"):
        answer = await _send(_request(template % reference))
        assert (answer.status, answer.problem["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"limit=%zz", 422),
        (b"limit=%ff", 422),
        (b"limit=1%00", 422),
        (b"author=%00", 422),
        (b"author=%ff%fe", 200),
        (b"author=%ed%a0%80", 200),
        (b"author=%c0%af", 200),
        (b"author=%", 200),
        (b"limit=1;limit=2", 422),
        (b"&&&", 200),
        (b"colour=" + b"x" * 10_000, 422),
        (b"cursor=" + b"x" * 10_000, 400),
        (b"author=" + b"x" * 10_000, 422),
    ],
)
async def test_strange_queries_are_answered(query: bytes, status: int) -> None:
    answer = await _send(_request(b"/api/v1/books?" + query))

    assert answer.status == status
    if status >= 400:
        assert answer.problem["code"] == ("validation_error" if status == 422 else "cursor_invalid")


async def test_a_body_that_says_it_is_too_large_is_refused() -> None:
    headers = b"Content-Type: application/json\r\nContent-Length: 70000\r\n"

    answer = await _send(_request(b"/api/v1/books/batch-get", method=b"POST", headers=headers), b" " * 70_000)

    assert (answer.status, answer.problem["code"]) == (413, "payload_too_large")


async def test_a_body_in_chunks_is_refused_when_it_gets_too_large() -> None:
    headers = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"

    pieces = [*[chunk] * 17, b"0\r\n\r\n"]
    answer = await _send(_request(b"/api/v1/books/batch-get", method=b"POST", headers=headers), *pieces)

    assert (answer.status, answer.problem["code"]) == (413, "payload_too_large")


async def test_a_body_in_small_chunks_is_read() -> None:
    headers = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    chunks = [b"1\r\n%c\r\n" % byte for byte in b'{"ids": ["x"]}']

    answer = await _send(_request(b"/api/v1/books/batch-get", method=b"POST", headers=headers), *chunks, b"0\r\n\r\n")

    assert (answer.status, json.loads(answer.body)) == (200, {"data": [], "missing": ["x"]})


async def test_a_body_where_none_is_wanted_does_no_harm() -> None:
    headers = b"Content-Type: application/json\r\nContent-Length: 5\r\n"

    answer = await _send(_request(b"/api/v1/categories", headers=headers), b"{not}")

    assert answer.status == 200


async def test_head_has_no_body() -> None:
    answer = await _send(_request(b"/api/v1/books?limit=1", method=b"HEAD"))

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_an_unknown_method_is_refused() -> None:
    answer = await _send(_request(b"/api/v1/books/anything", method=b"TRACE"))

    assert (answer.status, answer.problem["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"


async def test_a_websocket_s_handshake_is_answered_as_any_request() -> None:
    handshake = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )

    nowhere, books = [
        await _send(_request(target, headers=handshake)) for target in (b"/api/v1/socket", b"/api/v1/books?limit=1")
    ]

    assert (nowhere.status, nowhere.problem["code"]) == (404, "not_found")
    assert (books.status, len(json.loads(books.body)["data"])) == (200, 1)
