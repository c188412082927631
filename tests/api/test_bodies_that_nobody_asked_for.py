"""Whoever sends fields means something by them: where none are taken, they are refused and nothing happens."""

import httpx
from fastapi import FastAPI

from tests.api.test_problems import assert_problem
from tests.factories.books import API, a_book

HEARD_AS_SIGNED = f"{API}/webhooks/stripe"


def bodiless(app: FastAPI) -> list[tuple[str, str]]:
    """The operations that change something and take no body."""
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if method in {"post", "put", "patch", "delete"} and "requestBody" not in operation and path != HEARD_AS_SIGNED
    ]


async def test_fields_are_refused_where_none_are_taken(app: FastAPI, admin: httpx.AsyncClient) -> None:
    found = bodiless(app)
    assert len(found) > 5

    for method, template in found:
        path = template.replace("{", "").replace("}", "")
        for body, pointer in (({"amount": 1, "b/c": 2}, "/amount"), ([1], ""), ("text", "")):
            refused = await admin.request(method, path, json=body)
            assert_problem(refused, 422, "validation_error")
            assert refused.json()["errors"][0]["pointer"] == pointer, (method, template)


async def test_a_book_is_deleted_with_an_empty_object_but_not_with_a_field(staff: httpx.AsyncClient) -> None:
    path = f"{API}/books/{(await a_book(staff))['id']}"

    refused = await staff.request("DELETE", path, json={"reason": "old"}, headers={"If-Match": "*"})
    left = await staff.get(path)
    done = await staff.request("DELETE", path, json={}, headers={"If-Match": "*"})

    assert_problem(refused, 422, "validation_error")
    assert (left.status_code, done.status_code) == (200, 204)
