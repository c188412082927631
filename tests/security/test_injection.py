"""MongoDB's operators, arrays and objects in place of values: in every field and every parameter of the API."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import httpx
import pytest
from fastapi import FastAPI

from app.lifespan import Resources
from tests.api.authorization_table import BODIES, FORM, ROUTES, Route, World
from tests.api.authorization_world import opened
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


_Place: TypeAlias = tuple[str | int, ...]

NOT_NULL = quote('{"$ne":null}')


@pytest.fixture
async def world(app: FastAPI, shop: Resources, client: httpx.AsyncClient) -> AsyncIterator[World]:
    async with opened(app, shop, client) as world:
        yield world


def _operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _filled(path: str, value: str) -> str:
    return "/".join(quote(value, safe="") if step.startswith("{") else step for step in path.split("/"))


def _places(schema: dict[str, Any], schemas: dict[str, Any], above: tuple[str | int, ...] = ()) -> Iterator[_Place]:
    """Every place of a body that a value may stand at: properties, optional or not, and elements of arrays."""
    schema = schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    for name, part in schema.get("properties", {}).items():
        yield (*above, name)
        yield from _places(part, schemas, (*above, name))
    if "items" in schema:
        yield (*above, 0)
        yield from _places(schema["items"], schemas, (*above, 0))
    for choice in (*schema.get("anyOf", ()), *schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from _places(choice, schemas, above)


def _with(body: Any, place: _Place, value: Any) -> Any:
    """Return the body with another value at this place; what leads there is made where it is missing."""
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        elements = body if isinstance(body, list) and body else [None]
        return [_with(elements[0], rest, value), *elements[1:]]
    fields = body if isinstance(body, dict) else {}
    return fields | {step: _with(fields.get(step), rest, value)}


def _bodies(app: FastAPI) -> Iterator[tuple[Route, str, list[_Place]]]:
    """Every route that takes a body, with its media type and all its places."""
    schemas = app.openapi()["components"]["schemas"]
    routes = {(route.method, route.path): route for route in ROUTES}
    for method, path, operation in _operations(app):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            places = dict.fromkeys(_places(content.get("schema", {}), schemas))
            yield routes[method, path], media, list(places)


async def test_no_operator_gets_into_any_field_of_any_body(world: World, app: FastAPI) -> None:
    """Alone in a body that is right but for it, so that nothing else can be what is refused."""
    tried: Counter[str] = Counter()
    for route, media, places in _bodies(app):
        if route.path.endswith("/webhooks/stripe"):
            continue  # refused by its signature before it is read
        for place in places:
            for operator in OPERATORS:
                text = "form-urlencoded" in media
                fields = BODIES.get(f"{FORM}{route.name}" if text else route.name, {})
                body = _with(await world.filled(fields), place, json.dumps(operator) if text else operator)
                answer = await world.people["admin"].request(
                    route.method,
                    await world.filled(route.path),
                    content=urlencode(body) if text else json.dumps(body),
                    headers={"If-Match": "*", "Idempotency-Key": f"k{tried.total()}", "Content-Type": media},
                )
                # In a form it is text: nobody has that name or password, and what isn't used may be any text.
                expected = {422}
                if text:
                    expected |= {401} if place[0] in {"username", "password"} else {200}
                assert answer.status_code in expected, (route.name, place, operator, answer.text)
                tried[route.name] += 1
    print(f"operators in the places of bodies: {tried.total()} requests to {len(tried)} routes")
    assert {name.removeprefix(FORM) for name in BODIES} - set(tried) == {"POST /api/v1/webhooks/stripe"}


async def test_no_operator_gets_into_any_parameter(app: FastAPI, admin: httpx.AsyncClient) -> None:
    for method, path, operation in _operations(app):
        if path == "/metrics":
            continue
        named: dict[str, list[str]] = {"query": [], "path": [], "header": []}
        for one in operation.get("parameters", []):
            named[one["in"]].append(one["name"])
        for name in named["query"]:
            for query in (f"{name}[$ne]=x", f"{name}[]={{}}", f"{name}={NOT_NULL}", f"{name}=%00"):
                answer = await admin.request(method, f"{_filled(path, 'x')}?{query}")
                assert answer.status_code < 500, (method, path, query, answer.text)
        for value in ('{"$ne":null}', "[$ne]", "$where", "' || '1'=='1", "..%2f..%2fetc%2fpasswd", "\u0000"):
            answer = await admin.request(method, _filled(path, value), json={})
            assert answer.status_code < 500, (method, path, value, answer.text)
            if named["path"] and "categories" not in path:
                assert answer.status_code >= 400, (method, path, value, answer.text)
            for name in named["header"]:
                if value.isprintable():
                    answer = await admin.request(method, _filled(path, "x"), headers={name: value})
                    assert answer.status_code < 500, (method, path, name, value, answer.text)


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
