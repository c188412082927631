import re
from typing import Any

import httpx
import pytest
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from app import errors
from app.database import as_domain_error
from app.problem_codes import CODES
from tests.factories.books import API, a_book, a_category, book_body

JSON = {"Content-Type": "application/json"}


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check what API.md says of every problem document, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/docs/errors#{code}"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == httpx.URL(response.request.url).path
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["retryable"] is CODES[code].retryable
    assert ("retry-after" in response.headers) is problem["retryable"]
    for field in problem.get("errors", []):
        assert set(field) == {"pointer", "code", "detail"}
        assert not re.search(
            r"\^|\$$|Input should|String should|(Value|List) should|Extra inputs|Field required", field["detail"]
        )
        assert re.fullmatch(r"(/[^/]*)*|\?\S*|(header|path):\S+", field["pointer"]), field
    assert "Traceback" not in response.text
    return problem


async def test_every_refusal_is_a_problem_document(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    book = await a_book(staff, isbn13="9780441478125")
    await a_category(staff, name="Fiction")
    await a_book(staff, title="In a category", categories=["fiction"])
    gone = await a_book(staff)
    await staff.delete(f"{API}/books/{gone['id']}", headers={"If-Match": "*"})
    path, stock = f"{API}/books/{book['id']}", f"{API}/inventory/{book['id']}"
    await staff.post(f"{API}/books", json=book_body(), headers={"Idempotency-Key": "used"})

    refused = [
        (400, "malformed_json", await staff.post(f"{API}/books", content=b"{", headers=JSON)),
        (400, "cursor_invalid", await client.get(f"{API}/books?cursor=made-up")),
        (401, "authentication_required", await client.get(stock)),
        (401, "invalid_token", await client.get(stock, headers={"Authorization": "Bearer x"})),
        (403, "permission_denied", await customer.get(stock)),
        (404, "not_found", await client.get(f"{API}/books/bk_01J00000000000000000000000")),
        (404, "not_found", await client.get(f"{API}/nothing/here")),
        (404, "not_found", await client.get("/nothing")),
        (405, "method_not_allowed", await client.delete(f"{API}/books")),
        (409, "isbn_taken", await staff.post(f"{API}/books", json=book_body(isbn13="9780441478125"))),
        (409, "conflict", await staff.post(f"{API}/categories", json={"name": "Fiction"})),
        (409, "category_in_use", await staff.delete(f"{API}/categories/fiction", headers={"If-Match": "*"})),
        (409, "insufficient_stock", await staff.patch(stock, json={"delta": -1, "reason": "theft"})),
        (410, "gone", await client.get(f"{API}/books/{gone['id']}")),
        (410, "gone", await staff.patch(f"{API}/books/{gone['id']}", json={}, headers={"If-Match": "*"})),
        (412, "precondition_failed", await staff.patch(path, json={}, headers={"If-Match": '"x"'})),
        (413, "payload_too_large", await staff.post(f"{API}/books", content=b" " * 65_537, headers=JSON)),
        (415, "unsupported_media_type", await staff.post(f"{API}/books", data={"title": "Form"})),
        (422, "validation_error", await staff.post(f"{API}/books", json={})),
        (
            422,
            "idempotency_key_reused",
            await staff.post(f"{API}/books", json=book_body(title="2"), headers={"Idempotency-Key": "used"}),
        ),
        (428, "precondition_required", await staff.patch(path, json={})),
    ]

    for status, code, response in refused:
        assert_problem(response, status, code)


async def test_a_well_formed_request_id_is_echoed(client: httpx.AsyncClient) -> None:
    path = f"{API}/books/unknown"

    given = await client.get(path, headers={"X-Request-ID": "client-made:42/a.b+c="})
    made = [
        (await client.get(path, headers={"X-Request-ID": identifier})).headers["x-request-id"]
        for identifier in ("short", "x" * 129, "with space here", 'quoted"quoted', "<script>alert(1)</script>")
    ]

    assert given.headers["x-request-id"] == "client-made:42/a.b+c="
    assert given.json()["request_id"] == "client-made:42/a.b+c="
    assert len(set(made)) == 5
    assert all(re.fullmatch(r"req_[0-9A-Z]{26}", identifier) for identifier in made)


async def test_the_instance_is_the_path_as_sent(client: httpx.AsyncClient) -> None:
    for path in ("/nothing/", "/nothing//", f"{API}/books/x%20y", f"{API}/books/%C3%A9"):
        problem = assert_problem(await client.get(path), 404, "not_found")
        assert problem["instance"] == httpx.URL(path).path


async def test_pointers_lead_to_the_fields_at_fault(staff: httpx.AsyncClient) -> None:
    body = book_body(price={"amount": 1.5, "currency": "USD"}, authors=["ok", " "]) | {"a/b~c": 1}

    created = assert_problem(await staff.post(f"{API}/books", json=body), 422, "validation_error")
    listed = assert_problem(await staff.get(f"{API}/books?limit=0&nothing=1"), 422, "validation_error")
    headed = assert_problem(
        await staff.post(f"{API}/books", json=book_body(), headers={"Idempotency-Key": ""}), 422, "validation_error"
    )
    isbns = book_body(isbn13="9780441478125", isbn10="080442957X")
    whole = assert_problem(await staff.post(f"{API}/books", json=isbns), 422, "validation_error")

    assert {field["pointer"] for field in created["errors"]} == {"/price/amount", "/authors/1", "/a~1b~0c"}
    assert {field["pointer"] for field in listed["errors"]} == {"?limit", "?nothing"}
    assert [field["pointer"] for field in headed["errors"]] == ["header:Idempotency-Key"]
    assert [(field["pointer"], field["code"]) for field in whole["errors"]] == [("", "isbn_mismatch")]


async def test_a_patch_points_as_a_whole_body_does(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    patch = {"isbn13": "9780441478125", "isbn10": "080442957X"}

    for body, pointers in (
        (patch, {""}),
        ({"a/b~c": 1, "price": {"amount": "1"}}, {"/a~1b~0c", "/price/amount"}),
    ):
        response = await staff.patch(f"{API}/books/{book['id']}", json=body, headers={"If-Match": "*"})
        problem = assert_problem(response, 422, "validation_error")
        assert {field["pointer"] for field in problem["errors"]} == pointers


async def test_details_are_in_plain_words(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    # given
    person = {"email": "ada", "username": "a b", "password": "x" * 1025, "first_name": "x" * 500, "admin": True}
    book = book_body(authors=["x"] * 51, price={"amount": -1, "currency": "EUR"}, pages=0) | {"title": 5}

    # when
    answers = [
        await client.post(f"{API}/auth/register", json=person),
        await client.post(f"{API}/auth/login", json=[]),
        await staff.post(f"{API}/books", json=book),
        await customer.post(
            f"{API}/cart/items", json={"book_id": "", "quantity": 100}, headers={"Idempotency-Key": "a b"}
        ),
        await client.get(f"{API}/books?limit=101&sort=colour&rating_min=x&format=stone"),
        await client.post(f"{API}/auth/login"),
    ]

    # then
    told = [
        {field["pointer"]: field["detail"] for field in assert_problem(answer, 422, "validation_error")["errors"]}
        for answer in answers
    ]
    assert told == [
        {
            "/email": "must be an e-mail address, such as ada@example.com",
            "/username": "must have 3 to 32 characters: letters from A to Z, digits, and after the first also . _ -",
            "/password": "must have at most 1024 characters",
            "/first_name": "must have at most 100 characters",
            "/admin": "is not known here; leave it out",
        },
        {"": "must be an object"},
        {
            "/title": "must be text",
            "/authors": "must have at most 50 items",
            "/price/amount": "must be at least 0",
            "/price/currency": "must be 'USD'",
            "/pages": "must be at least 1",
        },
        {
            "header:Idempotency-Key": "must be 1 to 255 visible ASCII characters, without spaces",
            "/book_id": "must not be empty",
            "/quantity": "must be at most 99",
        },
        {
            "?limit": "must be at most 100",
            "?sort": "must be up to three of title, price, published_year, rating, popularity, created_at,"
            " such as -rating,price",
            "?rating_min": "must be a number",
            "?format.0": "must be 'hardcover', 'paperback', 'ebook' or 'audiobook'",
        },
        {"": "must be given"},
    ]


async def test_a_small_body_makes_no_large_problem(staff: httpx.AsyncClient) -> None:
    path = f"{API}/books/{(await a_book(staff))['id']}"
    body = {f"unknown{number}": 1 for number in range(3000)}

    made = await staff.post(f"{API}/books", json=body)
    patched = await staff.patch(path, json=body, headers={"If-Match": "*"})
    few = await staff.patch(path, json={"colour": 1, "smell": 1}, headers={"If-Match": "*"})

    for answer in (made, patched):
        problem = assert_problem(answer, 422, "validation_error")
        assert (len(problem["errors"]), problem["detail"]) == (100, "Some fields are not valid; see errors.")
        assert len(answer.content) < len(answer.request.content) / 3
    unknown = "is not known here; leave it out"
    assert few.json()["detail"] == f"/colour: {unknown}; /smell: {unknown}"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServerSelectionTimeoutError("10.0.0.1:27017: refused"), "no_primary"),
        (AutoReconnect("reset"), "dependency_unavailable"),
        (WaitQueueTimeoutError("10.0.0.1:27017: no connection"), "dependency_unavailable"),
        (ExecutionTimeout("slow", 50, {}), "deadline_exceeded"),
        (PyMongoError("mongodb://user:password@host"), "dependency_unavailable"),
    ],
)
def test_the_driver_s_errors_say_nothing_of_the_database(error: PyMongoError, code: str) -> None:
    told = as_domain_error(error)

    assert told.code == code
    assert str(error) not in told.detail


def test_every_domain_error_has_a_status() -> None:
    def below(kind: type[errors.BookstoreError]) -> list[type[errors.BookstoreError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    assert {kind.code for kind in below(errors.BookstoreError)} <= set(CODES)


async def test_the_type_of_a_problem_leads_to_what_it_means(client: httpx.AsyncClient) -> None:
    kind, _, code = (await client.get(f"{API}/books/bk_0")).json()["type"].partition("#")

    page = await client.get(kind)

    assert page.status_code == 200
    assert f'id="{code}"' in page.text
    assert (await client.get("/")).headers["location"] == f"{API}/docs"


async def test_the_document_names_what_a_problem_may_carry(client: httpx.AsyncClient) -> None:
    made = (await client.get(f"{API}/openapi.json")).json()

    shape = made["components"]["schemas"]["Problem"]
    carried = {"lines", "allowed", "refundable", "decline_code", "order_id", "payment_id", "errors"}
    assert carried <= set(shape["properties"])
    assert not carried & set(shape["required"])
    assert "409" in made["paths"][f"{API}/payments/{{payment_id}}/verify"]["post"]["responses"]
    assert {"413", "415"} <= set(made["paths"][f"{API}/carts"]["post"]["responses"])
    book = made["paths"][f"{API}/books/{{book_id}}"]["get"]["responses"]
    assert set(book["200"]["headers"]) == {"ETag", "Cache-Status", "X-Request-ID"}
    assert set(book["503"]["headers"]) == {"Retry-After", "X-Request-ID"}
    order = made["paths"][f"{API}/orders"]["post"]["responses"]
    assert set(order["201"]["headers"]) == {"Idempotency-Replayed", "X-Request-ID"}
