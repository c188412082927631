"""MongoDB's operators, arrays and objects in place of values: in every body and every query parameter of the API."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.books import API

OPERATORS: list[Any] = [
    {"$ne": ""},
    {"$gt": ""},
    {"$regex": ".*"},
    {"$where": "sleep(5000) || true"},
    {"$function": {"body": "function() { return true }", "args": [], "lang": "js"}},
    ["usr_01J00000000000000000000000", {"$ne": None}],
    [[]],
]


NOT_NULL = quote('{"$ne":null}')


def _operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _filled(path: str, value: str) -> str:
    return "/".join(quote(value, safe="") if step.startswith("{") else step for step in path.split("/"))


def _bodies(app: FastAPI) -> Iterator[tuple[str, str, str, list[str]]]:
    schemas = app.openapi()["components"]["schemas"]
    for method, path, operation in _operations(app):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = content.get("schema", {})
            for part in (schema, *schema.get("anyOf", [])):
                named = schemas.get(part.get("$ref", "").rsplit("/", 1)[-1], part)
                if named.get("properties"):
                    yield method, path, media, list(named["properties"])


async def test_no_operator_gets_into_a_body(app: FastAPI, admin: httpx.AsyncClient) -> None:
    tried = 0
    for method, path, media, fields in _bodies(app):
        if media == "application/x-www-form-urlencoded":
            continue
        for operator in OPERATORS:
            body = dict.fromkeys(fields, operator)
            answer = await admin.request(
                method,
                _filled(path, "bk_01J00000000000000000000000"),
                json=body,
                headers={"If-Match": "*", "Idempotency-Key": "k", "Content-Type": media},
            )
            assert 400 <= answer.status_code < 500, (method, path, operator, answer.text)
            tried += 1
    assert tried > 150


async def test_no_operator_gets_into_a_query_or_a_path(app: FastAPI, admin: httpx.AsyncClient) -> None:
    for method, path, operation in _operations(app):
        if method != "GET" or path == "/metrics":
            continue
        names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        for name in names:
            for query in (f"{name}[$ne]=x", f"{name}[]={{}}", f"{name}={NOT_NULL}", f"{name}=%00"):
                answer = await admin.get(f"{_filled(path, 'x')}?{query}")
                assert answer.status_code < 500, (path, query, answer.text)
        for value in ('{"$ne":null}', "[$ne]", "$where", "' || '1'=='1", "..%2f..%2fetc%2fpasswd", "\u0000"):
            answer = await admin.get(_filled(path, value))
            assert answer.status_code < 500, (path, value, answer.text)
            if "{" in path and "categories" not in path:
                assert answer.status_code in {404, 422}, (path, value, answer.text)


@pytest.mark.parametrize("operator", OPERATORS, ids=str)
async def test_nobody_signs_in_by_an_operator(client: httpx.AsyncClient, operator: Any) -> None:
    await a_user(client)

    for body in (
        {"login": operator, "password": PASSWORD},
        {"login": "ada", "password": operator},
        {"login": operator, "password": operator},
        {"email": operator, "username": "ada", "password": PASSWORD},
    ):
        assert_problem(await client.post(f"{API}/auth/login", json=body), 422, "validation_error")
    for text in ("$ne", '{"$ne": ""}', "ada' || '1'=='1", "ada\u0000", "*", ".*"):
        wrong = await client.post(f"{API}/auth/login", json={"login": text, "password": PASSWORD})
        assert_problem(wrong, 401, "invalid_credentials")
    refreshed = await client.post(f"{API}/auth/token/refresh", json={"refresh_token": operator})
    assert_problem(refreshed, 422, "validation_error")


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "admin"},
        {"id": "usr_01J00000000000000000000000"},
        {"_id": "usr_01J00000000000000000000000"},
        {"email_verified": True},
        {"disabled": False},
        {"password_hash": "x"},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"$set": {"role": "admin"}},
        {"__proto__": {"role": "admin"}},
        {"user": {"role": "admin"}},
    ],
    ids=str,
)
async def test_nobody_registers_as_more_than_a_customer(client: httpx.AsyncClient, extra: dict[str, Any]) -> None:
    body = {"email": "mallory@example.com", "username": "mallory", "password": PASSWORD}

    assert_problem(await client.post(f"{API}/auth/register", json=body | extra), 422, "validation_error")

    made = await client.post(f"{API}/auth/register", json=body)
    assert (made.json()["user"]["role"], made.json()["user"]["email_verified"]) == ("customer", False)
