"""The edge cache: what it keeps, for whom, and that a new generation makes every older answer unreachable."""

import asyncio

import pytest

from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import Edge
from tests.haproxy.origin import Answer, Origin, Seen, catalogue

BOOK = "bk_01JABCDEFGHJKMNPQRSTVWXYZ0"
PUBLIC = "public, max-age=0, must-revalidate"


def numbered(origin: Origin, **headers: str) -> None:
    """Make each answer of the origin tell which it is."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    async def script(seen: Seen) -> Answer:
        answer = catalogue(b"%d" % len(origin.seen), etag=f'"{len(origin.seen)}"')
        return Answer(body=answer.body, headers={**answer.headers, **fields})

    origin.script = script  # type: ignore[method-assign]


async def test_a_repeated_question_is_answered_at_the_edge(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    # when
    first, second = [await edge.client.get(book_path) for _ in range(2)]
    # then
    assert [first.text, second.text] == ["1", "1"]
    assert first.headers["cache-status"] == "bookstore; fwd=uri-miss; stored"
    assert second.headers["cache-status"] == "haproxy; hit"
    assert [answer.headers["cache-control"] for answer in (first, second)] == [PUBLIC, PUBLIC]
    assert [answer.headers["etag"] for answer in (first, second)] == ['"1"', '"1"']
    assert not any("cdn-cache-control" in answer.headers for answer in (first, second))
    assert len(origin.seen) == 1


async def test_the_replica_sees_the_address_that_the_client_asked_for(edge: Edge, origin: Origin) -> None:
    # given
    numbered(origin)
    targets = [
        "/api/v1/books", "/api/v1/books?sort=-price&limit=5", "/api/v1/books?_edge=1", "/api/v1/books?a=%20b",
        "/api/v1/books/search?q=why?", "/api/v1/books?a=b??", "/api/v1/books??", "/api/v1/books/search?q=&_edge=1.1?",
    ]  # fmt: skip
    # when
    for target in targets:
        await edge.raw(f"GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
    # then
    assert [seen.target for seen in origin.seen] == targets


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/api/v1/books/{BOOK}", BOOK),
        ("/api/v1/books/9780439023481", "9780439023481"),
        ("/api/v1/books/978-0-439-02348-1", "9780439023481"),
        ("/api/v1/books/0-8044-2957-x", "080442957X"),
        ("/api/v1/books?limit=3", "books"),
        ("/api/v1/books/search?q=hunger", "search"),
        ("/api/v1/books/suggest?q=hun", "suggest"),
        ("/api/v1/categories", "categories"),
        ("/api/v1/categories/science-fiction", "categories"),
        ("/api/v1/categories/science-fiction/books", "books"),
        (f"/api/v1/books/{BOOK}", "catalogue"),
        ("/api/v1/books/search?q=hunger", "catalogue"),
    ],
)
async def test_a_new_generation_makes_older_answers_unreachable(
    edge: Edge, origin: Origin, path: str, name: str
) -> None:
    # given
    numbered(origin)
    before = [(await edge.client.get(path)).text for _ in range(2)]
    # when
    await edge.touch(name, generation=4_294_967_295)
    after = [(await edge.client.get(path)).text for _ in range(2)]
    # then
    assert before == ["1", "1"]
    assert after == ["2", "2"]


async def test_a_new_generation_of_one_thing_leaves_the_others_where_they_are(edge: Edge, origin: Origin) -> None:
    # given
    numbered(origin)
    other = f"/api/v1/books/{BOOK[:-1]}1"
    await edge.client.get(other)
    # when
    await edge.touch(BOOK, "books", "search", "suggest", "categories", generation=9)
    # then
    assert (await edge.client.get(other)).headers["cache-status"] == "haproxy; hit"


async def test_who_has_seen_an_older_answer_of_the_same_second_is_given_the_new_one(
    edge: Edge, origin: Origin, book_path: str
) -> None:
    # given: two answers of one second, the later one kept
    numbered(origin, Date="Fri, 20 Nov 2026 21:28:05 GMT")
    first = await edge.client.get(book_path)
    await edge.touch(BOOK, generation=1)
    second = await edge.client.get(book_path)
    # when
    unmodified = {"If-Modified-Since": first.headers["date"]}
    answer = await edge.client.get(book_path, headers=unmodified)
    known = await edge.client.get(book_path, headers=unmodified | {"If-None-Match": second.headers["etag"]})
    # then
    assert [first.text, second.text] == ["1", "2"]
    assert (answer.status_code, answer.text, answer.headers["cache-status"]) == (200, "2", "haproxy; hit")
    assert known.status_code == 304


async def test_a_fill_that_began_before_the_write_is_never_served_after_it(
    edge: Edge, origin: Origin, book_path: str
) -> None:
    # given a replica that read the old price and is slow to answer
    price = "old"
    reading = asyncio.Event()
    go_on = asyncio.Event()

    async def script(seen: Seen) -> Answer:
        answer = catalogue(price.encode())
        reading.set()
        await go_on.wait()
        return answer

    origin.script = script  # type: ignore[method-assign]
    filling = asyncio.create_task(edge.client.get(book_path))
    await reading.wait()
    # when the price changes, the edge is told, and only then the slow fill ends and is stored
    price = "new"
    await edge.touch(BOOK, generation=1)
    go_on.set()
    filled = await filling
    # then
    assert filled.text == "old"  # it was asked for before the write
    assert [(await edge.client.get(book_path)).text for _ in range(3)] == ["new", "new", "new"]


async def test_an_answer_that_took_more_than_a_second_is_not_kept(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        return catalogue(b"%d" % len(origin.seen), after=1.2 if len(origin.seen) == 1 else 0)

    origin.script = script  # type: ignore[method-assign]
    # when
    texts = [(await edge.client.get(book_path)).text for _ in range(3)]
    # then
    assert texts == ["1", "2", "2"]


async def test_an_answer_lives_no_longer_than_the_lease(start_edge: StartEdge, origin: Origin, book_path: str) -> None:
    # given an edge that keeps for one second, whatever the replica allows
    edge = await start_edge(origin, HAPROXY_EDGE_MAX_AGE="1")
    numbered(origin, CDN_Cache_Control="max-age=3600")
    # when
    first = (await edge.client.get(book_path)).text
    await asyncio.sleep(2.1)  # HAProxy counts whole seconds; later does no harm
    second = (await edge.client.get(book_path)).text
    # then
    assert [first, second] == ["1", "2"]


async def test_signed_in_shoppers_share_the_answers(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    await edge.client.get(book_path)
    # when
    answer = await edge.client.get(book_path, headers={"Authorization": "Bearer secret"})
    await edge.client.get("/api/v1/books/search", headers={"Authorization": "Bearer secret"})
    # then
    assert answer.headers["cache-status"] == "haproxy; hit"
    assert ["authorization" in seen.headers for seen in origin.seen] == [False, False]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/cart",
        f"/api/v1/inventory/{BOOK}",
        f"/api/v1/books/{BOOK}/reviews",
        f"/api/v1/books/{BOOK}/",
        f"/api/v1/books/%62k_{BOOK[3:]}",
        f"//api/v1/books/{BOOK}",
    ],
)
async def test_what_is_personal_or_spelled_otherwise_goes_to_a_replica_untouched(
    edge: Edge, origin: Origin, path: str
) -> None:
    # given
    numbered(origin)
    request = f"GET {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n".encode()
    # when
    for _ in range(2):
        await edge.raw(request)
    # then
    assert [(seen.target, seen.headers["authorization"]) for seen in origin.seen] == [(path, "Bearer secret")] * 2


@pytest.mark.parametrize("name", [BOOK.lower(), f"{BOOK[:26]}%58", f"{BOOK[:25]}/../", f"{BOOK[:28]}/"])
async def test_what_only_looks_like_a_book_is_not_kept(edge: Edge, origin: Origin, name: str) -> None:
    # given
    numbered(origin)
    path = f"/api/v1/books/{name}"
    # when
    for _ in range(2):
        await edge.raw(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
    # then
    assert [seen.target for seen in origin.seen] == [path, path]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_writes_keep_their_authorization(edge: Edge, origin: Origin, book_path: str, method: str) -> None:
    # when
    await edge.client.request(method, book_path, headers={"Authorization": "Bearer secret"})
    # then
    assert [(seen.method, seen.headers["authorization"]) for seen in origin.seen] == [(method, "Bearer secret")]


@pytest.mark.parametrize(
    "headers",
    [
        {"CDN-Cache-Control": ""},
        {"CDN-Cache-Control": "no-store"},
        {"CDN-Cache-Control": "max-age=0"},
        {"Set-Cookie": "a=b"},
        {"Vary": "Authorization"},
    ],
)
async def test_only_what_the_replica_allows_is_kept(
    edge: Edge, origin: Origin, book_path: str, headers: dict[str, str]
) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        answer = catalogue(b"%d" % len(origin.seen))
        return Answer(body=answer.body, headers={**answer.headers, **headers})

    origin.script = script  # type: ignore[method-assign]
    # when
    answers = [await edge.client.get(book_path) for _ in range(2)]
    # then
    assert [answer.text for answer in answers] == ["1", "2"]
    assert [answer.headers["cache-control"] for answer in answers] == [PUBLIC, PUBLIC]


@pytest.mark.parametrize(
    "path", [f"/api/v1/books/{BOOK}", "/api/v1/books/9780439023481", "/api/v1/books", "/api/v1/categories"]
)
async def test_an_address_that_looks_like_a_key_finds_nothing_old(edge: Edge, origin: Origin, path: str) -> None:
    # given an answer that is kept, and out of date since
    numbered(origin)
    before = [(await edge.client.get(path)).text for _ in range(2)]
    await edge.touch("catalogue", generation=7)
    # when somebody asks under the very key that it is kept under
    target = f"{path}?&_edge=0.0"
    await edge.raw(
        f"GET {target} HTTP/1.1\r\nHost: {edge.client.base_url.netloc.decode()}\r\nConnection: close\r\n\r\n".encode()
    )
    # then
    assert before == ["1", "1"]
    assert [seen.target for seen in origin.seen] == [path, target]


@pytest.mark.parametrize("status", [404, 410, 503])
async def test_refusals_are_not_kept(edge: Edge, origin: Origin, book_path: str, status: int) -> None:
    # given
    async def script(seen: Seen) -> Answer:
        return Answer(status=status, headers=catalogue().headers)

    origin.script = script  # type: ignore[method-assign]
    # when
    answers = [await edge.client.get(book_path) for _ in range(2)]
    # then
    assert [answer.status_code for answer in answers] == [status, status]
    assert len(origin.seen) == 2
