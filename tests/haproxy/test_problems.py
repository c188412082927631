"""What HAProxy itself says: problem documents with the request's id, and never a line of HTML."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.factories.ports import free_port
from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import Edge, until
from tests.haproxy.origin import Answer, Origin, Seen

ASKED = {"X-Request-ID": "the-request-1"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document, checked for what every one has."""
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"Retry-After", "X-Request-ID"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert document.pop("type") == f"/docs/errors#{document['code']}"
    assert document.pop("status") == answer.status_code
    assert document.pop("request_id") == answer.headers["x-request-id"] == "the-request-1"
    assert document.pop("detail").endswith(".")
    return document


async def test_no_replica_is_503(edge: Edge, origin: Origin) -> None:
    # given
    await origin.stop()
    # when
    answer = await edge.client.get('/api/v1/cart/a"b?q=1', headers=ASKED)
    # then
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert problem(answer) == {
        "title": "Service Unavailable", "code": "overloaded", "instance": "/api/v1/cart/a%22b", "retryable": True,
    }  # fmt: skip


async def test_what_went_wrong_is_logged_without_what_was_asked_for(edge: Edge, origin: Origin) -> None:
    """A query may name a person: administrators look for accounts by e-mail address."""
    # given
    await origin.stop()
    # when
    answer = await edge.client.get("/api/v1/admin/users?email=ada@example.com", headers=ASKED)
    # then
    assert answer.status_code == 503
    log = edge.folder / "haproxy.log"

    async def logged() -> bool:
        return "the-request-1" in log.read_text(encoding="utf-8")

    await until(logged)
    [line] = [line for line in log.read_text(encoding="utf-8").splitlines() if "the-request-1" in line]
    assert json.loads(line[line.index("{") :])["path"] == "/api/v1/admin/users"
    assert "ada" not in line


@pytest.mark.parametrize("status", [200, 429, 503])
async def test_what_pages_may_read_of_a_replica_s_answer_it_says_itself(
    edge: Edge, origin: Origin, status: int
) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        return Answer(status=status)

    origin.script = script  # type: ignore[method-assign]
    # when
    answer = await edge.client.get("/api/v1/cart", headers=ASKED | {"Origin": "https://shop.example"})
    # then
    assert answer.status_code == status
    assert [name for name in answer.headers if name.startswith("access-control-")] == []


async def test_a_broken_answer_is_502(edge: Edge, origin: Origin) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        return Answer(headers={"Bad Name ": "x"})

    origin.script = script  # type: ignore[method-assign]
    # when
    answer = await edge.client.post("/api/v1/orders", headers=ASKED)
    # then
    assert (answer.status_code, answer.headers["retry-after"]) == (502, "1")
    assert problem(answer) == {
        "title": "Bad Gateway", "code": "bad_gateway", "instance": "/api/v1/orders", "retryable": True,
    }  # fmt: skip


async def test_a_replica_that_never_answers_is_504(start_edge: StartEdge, origin: Origin) -> None:
    # given a replica that is too late, also for a balancer with less patience than ours
    edge = await start_edge(origin, HAPROXY_SERVER_TIMEOUT="500ms")

    async def script(seen: Seen) -> Answer:
        return Answer(after=3)

    origin.script = script  # type: ignore[method-assign]
    # when
    answer = await edge.client.get("/api/v1/orders", headers=ASKED)
    # then
    assert (answer.status_code, answer.headers["retry-after"], len(origin.seen)) == (504, "1", 1)
    assert problem(answer) == {
        "title": "Gateway Timeout", "code": "deadline_exceeded", "instance": "/api/v1/orders", "retryable": True,
    }  # fmt: skip


async def test_metrics_are_for_trusted_addresses(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge = await start_edge(origin, HAPROXY_TRUSTED="127.0.0.2 192.0.2.0/24")
    ask = b"GET /metrics HTTP/1.1\r\nHost: shop\r\nX-Request-ID: the-request-1\r\nConnection: close\r\n\r\n"
    # when
    refused = await edge.client.get("/metrics", headers=ASKED)
    for spelled in (b"/metrics/", b"/%6detrics", b"//metrics"):
        assert b"403 Forbidden" in (await edge.raw(ask.replace(b"/metrics", spelled))).data
    allowed = await edge.raw(ask, source="127.0.0.2")
    # then
    assert refused.status_code == 403
    assert problem(refused) == {
        "title": "Forbidden", "code": "permission_denied", "instance": "/metrics", "retryable": False,
    }  # fmt: skip
    assert allowed.data.startswith(b"HTTP/1.1 200 ")


async def test_an_address_that_asks_too_often_is_429_and_others_are_not(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge = await start_edge(origin, HAPROXY_TRUSTED="192.0.2.1", HAPROXY_RATE_LIMIT="5")
    # when
    answers = [await edge.client.get("/api/v1/cart", headers=ASKED) for _ in range(7)]
    other = await edge.raw(b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n", source="127.0.0.2")
    # then
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert other.data.startswith(b"HTTP/1.1 200 ")
    refused = answers[-1]
    assert (refused.headers["retry-after"], refused.headers["ratelimit-policy"]) == ("10", '"address";q=5;w=10')
    assert refused.headers["ratelimit"] == '"address";r=0;t=10'
    assert problem(refused) == {
        "title": "Too Many Requests", "code": "rate_limited", "instance": "/api/v1/cart", "retryable": True,
    }  # fmt: skip


async def test_a_network_of_ipv6_is_one_address(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge = await start_edge(origin, HAPROXY_TRUSTED="192.0.2.1", HAPROXY_BIND=f"[::1]:{free_port()}")
    # when
    answer = await edge.client.get("/api/v1/cart", headers=ASKED)
    # then: counted is ::/64, of which ::1 is one address
    assert answer.status_code == 200
    assert " key=:: " in await edge.runtime("show table addresses")


async def test_trusted_addresses_have_no_limit(start_edge: StartEdge, origin: Origin) -> None:
    # given
    edge = await start_edge(origin, HAPROXY_RATE_LIMIT="5")
    # when
    answers = [await edge.client.get("/api/v1/cart") for _ in range(20)]
    # then
    assert [answer.status_code for answer in answers] == [200] * 20


@pytest.mark.parametrize(
    "garbage",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /api/v1/books HTTP/1.1\r\nHost: shop\r\nBad Name: x\r\n\r\n",
        b"GET /api/v1/books HTTP/1.1\r\nHost: shop\r\nA: " + b"x" * 40_000 + b"\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"GET /api/v1/books HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /api/v1/orders HTTP/1.1\r\nHo",
    ],
)
async def test_what_is_no_request_gets_no_answer(edge: Edge, garbage: bytes) -> None:
    # when
    said = await edge.raw(garbage)
    # then
    assert (said.data, said.closed) == (b"", True)


async def test_a_ten_thousand_character_query_reaches_a_replica(edge: Edge, origin: Origin) -> None:
    # when
    answer = await edge.client.get("/api/v1/books/search?q=" + "x" * 10_000)
    # then
    assert (answer.status_code, len(origin.seen[0].target)) == (200, len("/api/v1/books/search?q=") + 10_000)


@pytest.mark.parametrize("given", ["short", "has space in it", "x" * 129, "bäd-enough-id", "", 'abcdefgh, x"y'])
async def test_a_badly_formed_request_id_is_replaced(edge: Edge, origin: Origin, given: str) -> None:
    # when
    answer = await edge.client.get("/api/v1/cart", headers=[(b"X-Request-ID", given.encode())])
    # then
    made = answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9]{10}(-[0-9]+){2}", made)
    assert origin.seen[0].headers["x-request-id"] == made


async def test_a_well_formed_request_id_is_kept(edge: Edge, origin: Origin) -> None:
    # when
    answer = await edge.client.get("/api/v1/cart", headers={"X-Request-ID": "a.B_c-1:/+=8"})
    # then
    assert answer.headers.get_list("x-request-id") == ["a.B_c-1:/+=8"]
    assert origin.seen[0].headers["x-request-id"] == "a.B_c-1:/+=8"


async def test_the_client_cannot_choose_its_address(edge: Edge, origin: Origin) -> None:
    # when
    lies = {"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8", "X-Forwarded-Proto": "https"}
    await edge.client.get("/api/v1/cart", headers=lies)
    # then
    headers = origin.seen[0].headers
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "forwarded" not in headers


async def test_the_edge_compresses_nothing_by_itself(edge: Edge, origin: Origin) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        fields = {"Content-Type": "application/json", "ETag": '"strong"'}
        return Answer(body=json.dumps(["x" * 1000]).encode(), headers=fields)

    origin.script = script  # type: ignore[method-assign]
    # when
    answer = await edge.client.get("/api/v1/cart", headers={"Accept-Encoding": "gzip"})
    # then
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"] == '"strong"'


async def test_a_method_that_nobody_knows_is_405(edge: Edge, origin: Origin) -> None:
    # when
    answer = await edge.client.request("FOO", "/api/v1/books", headers=ASKED)
    # then
    assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert origin.seen == []


async def test_operators_see_statistics_and_metrics(edge: Edge) -> None:
    # when
    async with httpx.AsyncClient(base_url=edge.operations, trust_env=False) as client:
        page = await client.get("/")
        metrics = await client.get("/metrics")
    # then
    assert "Statistics Report" in page.text
    assert 'haproxy_server_status{proxy="api",server="api-1",state="UP"} 1' in metrics.text
