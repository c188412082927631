from typing import Any

import httpx
import pytest

from tests.api.test_problems import assert_problem
from tests.factories.books import API, a_book, book_body

JSON = {"Content-Type": "application/json"}
PATCH = {"If-Match": "*"}


async def _untouched(staff: httpx.AsyncClient) -> bool:
    total: int = (await staff.get(f"{API}/books?include=total")).json()["page"]["total"]["value"]
    return total == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"nothing",
        b"{'title': 'single'}",
        b'{"title": "x",}',
        b"\x00",
        b'\xef\xbb\xbf{"title": "byte order mark"}',
        '{"title": "UTF-16"}'.encode("utf-16"),
        b'{"title": "\xff\xfe"}',
        b'{"title": "overlong \xc0\xaf"}',
        b'{"title": "raw surrogate \xed\xa0\x80"}',
        b'{"title": "escaped surrogate \\ud800"}',
        b'{"title": "raw NUL \x00"}',
        b'{"price": NaN}',
        b'{"price": Infinity}',
        b'{"price": -Infinity}',
        b'{"pages": 01}',
        b'{"pages": 0x10}',
        b'{"pages": 1' + b"0" * 5000 + b"}",
        b"[" * 2000 + b"]" * 2000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
    ids=lambda content: content[:24],
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["", "key"])
async def test_what_is_no_json_is_malformed(staff: httpx.AsyncClient, content: bytes, key: dict[str, str]) -> None:
    book = "bk_01J00000000000000000000000"

    answers = [
        await staff.post(f"{API}/books", content=content, headers=JSON | key),
        await staff.patch(f"{API}/books/{book}", content=content, headers=JSON | PATCH | key),
        await staff.request("DELETE", f"{API}/books/{book}", content=content, headers=JSON | PATCH | key),
        await staff.post(f"{API}/books/batch-get", content=content, headers=JSON | key),
    ]

    for response in answers:
        assert_problem(response, 400, "malformed_json")
    assert await _untouched(staff)


@pytest.mark.parametrize("body", [None, True, 1, 1.5, "text", [], [{}], [[]], {}])
async def test_what_is_no_object_of_ours_is_invalid(staff: httpx.AsyncClient, body: Any) -> None:
    assert_problem(await staff.post(f"{API}/books", json=body), 422, "validation_error")
    assert_problem(await staff.post(f"{API}/categories", json=body), 422, "validation_error")
    assert_problem(await staff.post(f"{API}/books/batch-get", json=body), 422, "validation_error")


async def test_an_empty_body_is_invalid(staff: httpx.AsyncClient) -> None:
    for headers in ({}, JSON, {"Content-Type": "text/plain"}):
        assert_problem(await staff.post(f"{API}/books", headers=headers), 422, "validation_error")
    assert_problem(await staff.patch(f"{API}/books/x", headers=JSON | PATCH), 422, "validation_error")


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/x+json",
        "application/x/y+json",
        "*/*",
    ],
)
async def test_a_body_of_another_type_is_unsupported(staff: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    content = b'{"title": "x"}'

    for method, path in (("POST", "/books"), ("PATCH", "/books/x"), ("PUT", "/books/x"), ("DELETE", "/books/x")):
        response = await staff.request(method, API + path, content=content, headers=headers | PATCH)
        assert_problem(response, 415, "unsupported_media_type")


async def test_a_patch_may_call_itself_json_or_merge_patch(staff: httpx.AsyncClient) -> None:
    book = await a_book(staff)

    for media_type in ("application/json", "application/merge-patch+json", "application/json; charset=utf-8"):
        response = await staff.patch(
            f"{API}/books/{book['id']}", content=b'{"pages": 7}', headers=PATCH | {"Content-Type": media_type}
        )
        assert (response.status_code, response.json()["pages"]) == (200, 7)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("title", [None, "", "   ", "\u2003", 1, True, ["x"], {"$ne": None}, "\u0000", "a\nb", "a\u007fb", "x" * 501]),
        ("subtitle", ["", 1, "\u0000"]),
        ("authors", [None, [], "x", [""], [None], [1], ["x"] * 51, ["x" * 201], [["x"]], {"0": "x"}]),
        ("description", [1, "a\u0000b", "x" * 20_001]),
        ("categories", [None, "x", ["unknown"], [{"id": "x"}], [{"$ne": 1}], ["x"] * 21, ["\u0000"], ["x" * 101]]),
        ("language", [None, "", "e", "english", "EN", "en_US", "en-", "e\u0301n", "en\n", {"$gt": ""}]),
        ("publisher", ["", 1]),
        ("published_year", ["1999", 1999.0, 1999.5, True, -3001, 2101, 10**30, -(10**30), {"$gt": 0}]),
        ("series", ["x", {}, {"name": ""}, {"name": "x", "position": 1}, {"name": "x", "position": "first"},
                    {"name": "x", "position": "1\n"}, {"name": "x", "position": "\u0661"},
                    {"name": "x", "colour": 1}, []]),
        ("pages", ["1", 1.0, 1.5, True, 0, -1, 100_001, 10**30]),
        ("format", [None, "", "scroll", 1, {"$ne": "x"}]),
        ("price", [None, 1299, "12.99", 12.99, {}, {"amount": 1}, {"currency": "USD"},
                   *({"amount": amount, "currency": "USD"}
                     for amount in (None, "1", 1.0, 12.99, True, -1, 100_000_000, 10**30, {"$gt": 0})),
                   *({"amount": 1, "currency": currency} for currency in (None, "", "usd", "EUR", "XXX", 1)),
                   {"amount": 1, "currency": "USD", "scale": 2}]),
        ("isbn13", ["", "x", "9780441478126", "978044147812", "0441478123", 9780441478125, "978.0441478125x",
                    "9780441478125" * 100, "978\u00000441478125", "9770441478128"]),
        ("isbn10", ["", "0441478124", "9780441478125", "044147812", "04414781230", 441478123]),
        ("stock", [5]),
        ("in_stock", [True]),
        ("id", ["bk_01J00000000000000000000000"]),
        ("_id", ["x"]),
        ("rating", [{"average": 5, "count": 1}]),
        ("$set", [{"price": {"amount": 1, "currency": "USD"}}]),
        ("title.x", ["x"]),
        ("__proto__", [{}]),
        ("", [1]),
    ],
)  # fmt: skip
async def test_wrong_values_are_refused_in_whole_bodies_and_patches(
    staff: httpx.AsyncClient, field: str, values: list[Any]
) -> None:
    book = await a_book(staff)
    path = f"{API}/books/{book['id']}"

    for value in values:
        body = {field: value}
        created = await staff.post(f"{API}/books", json=book_body(**body))
        replaced = await staff.put(path, json=book_body(**body), headers=PATCH)
        answers = [created, replaced]
        # In a merge patch, null removes: what has a default gets it again, and what is in an object stays beside it.
        if field == "price" and isinstance(value, dict) and value in ({}, {"amount": 1}, {"currency": "USD"}):
            pass
        elif value is not None or field in {"title", "authors", "language", "price"}:
            answers.append(await staff.patch(path, json=body, headers=PATCH))
        for response in answers:
            problem = assert_problem(response, 422, "validation_error")
            step = field.replace("~", "~0").replace("/", "~1")
            assert any(one["pointer"].startswith(f"/{step}") for one in problem["errors"]), problem
    assert (await staff.get(path)).json() == book


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "!!!!", "AAAA", "%F0%9F%92%A9", "W10", "eyJhIjoxfQ==", "a" * 30_000, "null", "$ne", "%ZZ"]
)
async def test_made_up_cursors_are_refused(staff: httpx.AsyncClient, cursor: str) -> None:
    book = await a_book(staff)
    for path in (
        "/books",
        "/new-releases",
        "/inventory/low-stock",
        f"/inventory/{book['id']}/movements",
        "/books/search?q=dune",
    ):
        joint = "&" if "?" in path else "?"
        response = await staff.get(f"{API}{path}{joint}cursor={cursor}")
        assert_problem(response, 400, "cursor_invalid")


@pytest.mark.parametrize(
    "reference",
    [
        "unknown",
        "bk_",
        "bk_01J00000000000000000000000",
        "bk_01j00000000000000000000000",
        "bk_%00",
        "bk_$ne",
        "$ne",
        "%7B%22$ne%22:1%7D",
        "[$ne]",
        "%00",
        "%C0%AF",
        "%ED%A0%80",
        "%FF%FE",
        "%ZZ",
        "%",
        "..%2f..%2fetc%2fpasswd",
        "9780441478126",
        "978-0-441-47812-6",
        "%EF%BC%99" * 13,
        "0",
        "-",
        "null",
        "x" * 10_000,
    ],
    ids=lambda reference: reference[:30],
)
async def test_unknown_references_are_not_found(staff: httpx.AsyncClient, reference: str) -> None:
    headers = PATCH
    change: dict[str, Any] = {"delta": 1, "reason": "r"}
    for response in (
        await staff.get(f"{API}/books/{reference}"),
        await staff.get(f"{API}/books/{reference}/related"),
        await staff.get(f"{API}/books/{reference}/cover"),
        await staff.put(f"{API}/books/{reference}", json=book_body(), headers=headers),
        await staff.patch(f"{API}/books/{reference}", json={}, headers=headers),
        await staff.delete(f"{API}/books/{reference}", headers=headers),
        await staff.get(f"{API}/categories/{reference}"),
        await staff.get(f"{API}/categories/{reference}/books"),
        await staff.patch(f"{API}/categories/{reference}", json={}, headers=headers),
        await staff.delete(f"{API}/categories/{reference}", headers=headers),
        await staff.get(f"{API}/inventory/{reference}"),
        await staff.patch(f"{API}/inventory/{reference}", json=change),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), response.request.url


@pytest.mark.parametrize("if_match", ["", "x", '"x"', "W/x", '"', ",", "\\", '"a", "b"', "x" * 1000, "\xff"])
async def test_a_wrong_if_match_changes_nothing(staff: httpx.AsyncClient, if_match: str) -> None:
    book = await a_book(staff)
    path = f"{API}/books/{book['id']}"
    headers = {b"If-Match": if_match.encode("latin-1")}

    for response in (
        await staff.patch(path, json={"pages": 1}, headers=headers),
        await staff.put(path, json=book_body(), headers=headers),
        await staff.delete(path, headers=headers),
    ):
        assert_problem(response, 412, "precondition_failed")
    assert (await staff.get(path)).json() == book
