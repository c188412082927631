"""Requests that mean to be more than they say: headers in headers, ways out of the tree, bodies that grow."""

import asyncio
import gzip
import os
import zlib
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer, registration
from tests.factories.books import API


async def _raw(request: bytes) -> bytes:
    """Send bytes to HAProxy and return everything that comes back."""
    address = urlsplit(os.environ["BOOKSTORE_URL"])
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request)
        await writer.drain()
        answer = await reader.read()
        writer.close()
    return answer


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_nobody_unpacks_a_bomb(client: httpx.AsyncClient, coding: str) -> None:
    zeros = b'{"login": "' + b"0" * 10_000_000 + b'"}'
    packed = zlib.compress(zeros) if coding == "deflate" else gzip.compress(zeros)
    assert len(packed) < 64 * 1024

    answer = await client.post(
        f"{API}/auth/login",
        content=packed,
        headers={"Content-Type": "application/json", "Content-Encoding": coding},
    )

    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("value", ["Ada\r\nX-Admin: 1", "Ada\nBcc: all@example.com", "Ada\u0000", "\u001b[2J"])
async def test_no_line_breaks_get_into_names(client: httpx.AsyncClient, value: str) -> None:
    for field in ("first_name", "email", "username"):
        answer = await client.post(f"{API}/auth/register", json=registration(**{field: value}))
        assert_problem(answer, 422, "validation_error")
    own = bearer((await a_user(client))["access_token"])
    assert_problem(
        await client.patch(f"{API}/users/me", json={"first_name": value}, headers=own), 422, "validation_error"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/books?q=%0d%0aSet-Cookie:%20a=b",
        "/api/v1/books/%0d%0aSet-Cookie:%20a=b",
        "/api/v1/users/%0d%0aLocation:%20http://evil.example",
    ],
)
async def test_no_header_comes_out_of_a_path(path: str) -> None:
    answer = await _raw(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())

    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nset-cookie:" not in head
    assert b"\r\nlocation:" not in head


async def test_no_request_hides_in_a_header() -> None:
    """A bare line feed ends no header (RFC 9112, section 2.2): HAProxy refuses, or the rest stays a value."""
    smuggled = (
        b"GET /api/v1/status HTTP/1.1\r\nHost: shop\r\nX-Request-ID: abcdefgh\rX-Admin: 1\r\nConnection: close\r\n\r\n"
    )

    answer = await _raw(smuggled)

    assert b"x-admin" not in answer.lower()
    assert answer.count(b"HTTP/1.1 ") <= 1


async def test_two_lengths_are_one_too_many() -> None:
    """Request smuggling: whatever HAProxy and the API could understand differently never gets there."""
    both = (
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: shop\r\n\r\n"
    )
    different = (
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        b"Content-Length: 0\r\nContent-Length: 44\r\nConnection: close\r\n\r\n"
        b"GET /metrics HTTP/1.1\r\nHost: shop\r\n\r\n"
    )

    for request in (both, different):
        answer = await _raw(request)
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert b"bookstore_requests_total" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../../etc/passwd",
        "/api/v1/books/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/users/..%2fadmin%2fusers",
        "/api/v1/users/me/../../admin/users",
        "/api/v1/books/%2e%2e/%2e%2e/metrics",
        "//etc/passwd",
        "/static/../app/settings.py",
        "/.env",
        "/.git/config",
    ],
)
async def test_no_path_leads_out(path: str) -> None:
    answer = await _raw(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())

    status = int(answer.split(b" ", 2)[1])
    assert status in {400, 401, 404}, answer[:300]
    assert b"root:" not in answer
    assert b"BOOKSTORE_" not in answer


async def test_a_session_is_new_at_each_sign_in_whatever_the_client_brings(client: httpx.AsyncClient) -> None:
    """Session fixation: nobody signs in to a session that somebody else opened, or named."""
    first = await a_user(client)
    brought = {"Cookie": "session=ses_01J00000000000000000000000; sid=1", "X-Session-Id": "ses_1"}

    second = await client.post(
        f"{API}/auth/login",
        json={"login": "ada", "password": PASSWORD},
        headers=bearer(first["access_token"]) | brought,
    )

    assert second.status_code == 200
    assert "set-cookie" not in second.headers
    sessions = await client.get(f"{API}/users/me/sessions", headers=bearer(second.json()["access_token"]))
    assert [one["current"] for one in sessions.json()["data"]] == [True, False]
    assert second.json()["refresh_token"] != first["refresh_token"]
