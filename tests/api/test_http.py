import httpx
import pytest

from tests.factories.books import API, a_book, a_category


@pytest.fixture
async def book(staff: httpx.AsyncClient) -> str:
    await a_category(staff, name="Fiction")
    return str((await a_book(staff, isbn13="9780441478125", categories=["fiction"]))["id"])


async def test_head_answers_as_get_without_the_body(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, book: str
) -> None:
    for path in (
        f"/books/{book}",
        "/books/9780441478125",
        "/books?include=total",
        "/books/search?q=darkness",
        "/books/suggest?q=dark",
        "/categories",
        "/categories/fiction",
        "/categories/fiction/books",
        "/new-releases",
        "/openapi.json",
        "/books/unknown",
        "/books?limit=0",
    ):
        get, head = await client.get(API + path), await client.head(API + path)

        assert head.status_code == get.status_code
        assert head.content == b""
        changing = {"x-request-id", "cache-status"}
        assert {k: v for k, v in head.headers.items() if k not in changing | {"content-length"}} == {
            k: v for k, v in get.headers.items() if k not in changing | {"content-length"}
        }
        if get.is_success:
            assert int(head.headers["content-length"]) == len(get.content)
    etag = (await client.head(f"{API}/books/{book}")).headers["etag"]
    assert (await client.head(f"{API}/books/{book}", headers={"If-None-Match": etag})).status_code == 304
    assert (await staff.head(f"{API}/inventory/{book}")).status_code == 200
    assert (await client.head(f"{API}/inventory/{book}")).status_code == 401
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/v1/books", "GET, HEAD, POST, OPTIONS"),
        ("/api/v1/books/batch-get", "POST, OPTIONS"),
        ("/api/v1/books/search", "GET, HEAD, OPTIONS"),
        ("/api/v1/books/anything", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/api/v1/books/anything/cover", "GET, HEAD, DELETE, OPTIONS"),
        ("/api/v1/books/anything/related", "GET, HEAD, OPTIONS"),
        ("/api/v1/categories", "GET, HEAD, POST, OPTIONS"),
        ("/api/v1/categories/anything", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/api/v1/inventory/low-stock", "GET, HEAD, OPTIONS"),
        ("/api/v1/inventory/anything", "GET, HEAD, PATCH, OPTIONS"),
        ("/api/v1/status", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_path_says_which_methods_it_knows(client: httpx.AsyncClient, path: str, allow: str) -> None:
    options = await client.options(path)

    assert (options.status_code, options.content, options.headers["allow"]) == (204, b"", allow)
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
        if method in allow:
            continue
        response = await client.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allow)
        if method != "HEAD":
            assert response.json()["code"] == "method_not_allowed"


async def test_an_unknown_path_has_no_methods(client: httpx.AsyncClient) -> None:
    for method in ("GET", "OPTIONS", "POST", "MADEUP"):
        response = await client.request(method, f"{API}/no/such/path")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_trailing_slash_is_the_same_path(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, book: str
) -> None:
    for path in (f"/books/{book}", "/books", "/categories/fiction/books", "/categories", "/status"):
        slashed = await client.get(f"{API}{path}/")
        assert slashed.status_code == 200
        if path != "/status":
            assert slashed.content == (await client.get(API + path)).content
    posted = await staff.post(f"{API}/categories/", json={"name": "Poetry"})
    assert (posted.status_code, posted.headers["location"]) == (201, f"{API}/categories/{posted.json()['id']}")
    assert (await client.get("/healthz/")).status_code == 200


async def test_known_answers_are_not_sent_again(client: httpx.AsyncClient, book: str) -> None:
    for path in (f"/books/{book}", "/books", "/categories", "/categories/fiction", "/categories/fiction/books"):
        first = await client.get(API + path)
        etag = first.headers["etag"]

        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await client.get(API + path, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert again.headers["cache-control"] == first.headers["cache-control"]
        lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
        assert (await client.get(API + path, headers=lines)).status_code == 304
        for other in ('"other"', "", etag.strip('"')):
            assert (await client.get(API + path, headers={"If-None-Match": other})).status_code == 200
        assert first.headers["cache-control"] == "public, max-age=0, must-revalidate"


async def test_links_lead_through_the_same_path_and_filters(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, book: str
) -> None:
    for number in range(3):
        await a_book(staff, title=f"Book {number}", authors=["Ana Núñez & Söhne"], categories=["fiction"])
    query = "author=Ana+N%C3%BA%C3%B1ez+%26+S%C3%B6hne&limit=2&sort=title&include=total"

    for path in ("/books", "/books/", "/categories/fiction/books"):
        first = await client.get(f"{API}{path}?{query}")
        link = first.links["next"]["url"]
        cursor = first.json()["page"]["next_cursor"]
        assert link == f"{API}{path.rstrip('/')}?{query}&cursor={cursor}"
        assert first.json()["page"] == {
            "next_cursor": cursor,
            "has_more": True,
            "total": {"value": 3, "relation": "eq"},
        }

        last = await client.get(link)
        assert [one["title"] for one in last.json()["data"]] == ["Book 2"]
        assert last.json()["page"] == {
            "next_cursor": None,
            "has_more": False,
            "total": {"value": 3, "relation": "eq"},
        }
        assert "link" not in last.headers
    assert (await client.get(f"{API}/books")).json()["page"] == {"next_cursor": None, "has_more": False}


async def test_many_books_come_at_once_in_the_order_asked_for(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, book: str
) -> None:
    other = (await a_book(staff, title="Other"))["id"]
    unknown = "bk_01J00000000000000000000000"

    response = await client.post(f"{API}/books/batch-get", json={"ids": [other, unknown, book, other, "$ne"]})

    assert response.status_code == 200
    assert [one["id"] for one in response.json()["data"]] == [other, book]
    assert response.json()["missing"] == [unknown, "$ne"]
    for ids in ([], ["x"] * 101, "x", [None], [{"$ne": 1}], ["x" * 41], [""]):
        assert (await client.post(f"{API}/books/batch-get", json={"ids": ids})).status_code == 422
    assert len((await client.post(f"{API}/books/batch-get", json={"ids": ["x"] * 100})).json()["missing"]) == 1
