"""Proves for every route of the application what each kind of person gets: authorization_table.py says what."""

import inspect
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app import methods
from app.lifespan import Resources
from app.models import DOCUMENTS
from app.models.cache_grant import CacheGrant
from tests.api.authorization_table import (
    BODIES,
    CREDENTIALS_IN_BODY,
    FORM,
    ITS_OWNERS,
    NEEDS_KEY,
    ROUTES,
    Route,
    World,
    ask,
)
from tests.api.authorization_world import opened

PAGES = {"/api/v1/docs", "/docs/oauth2-redirect", "/api/v1/redoc", "/api/v1/docs/static"}

CODES = {
    "400": {"webhook_signature_invalid"},  # whoever sends it, it has to be the gateway's
    "401": {"authentication_required"},
    "403": {"permission_denied"},
    "404": {"not_found"},
    "409": {"conflict"},
}


@pytest.fixture
async def world(app: FastAPI, shop: Resources, client: httpx.AsyncClient) -> AsyncIterator[World]:
    async with opened(app, shop, client) as world:
        yield world


async def _everything(shop: Resources) -> dict[str, list[dict[str, object]]]:
    # The watcher of the shared cache writes its grants whoever asks for what.
    names = [str(document.get_settings().name) for document in DOCUMENTS if document is not CacheGrant]
    return {name: await shop.database.database[name].find({}).sort("_id", 1).to_list() for name in names}


def test_every_route_has_a_row(app: FastAPI) -> None:
    served = [
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute) and context.path not in PAGES
        for method in context.methods or ()
    ]

    assert Counter(served) == Counter((route.method, route.path) for route in ROUTES)


def test_what_has_no_row_is_documentation_or_refuses_the_method(app: FastAPI) -> None:
    others = [
        one
        for one in iter_route_contexts(app.routes)
        if not isinstance(one.original_route, APIRoute) or one.path in PAGES
    ]
    served = [one for one in others if inspect.getmodule(getattr(one.original_route, "endpoint", None)) is not methods]
    named = {one.path or type(one.original_route).__name__ for one in served}

    # HotReads answers `GET /api/v1/books/{book_id}` and its neighbours, which have rows.
    assert named == {"/api/v1/openapi.json", *PAGES, "HotReads"}


def test_every_body_is_of_a_row() -> None:
    assert {name.removeprefix(FORM) for name in BODIES} <= {route.name for route in ROUTES}


def _rows(routes: Iterable[Route]) -> list[Any]:
    return [pytest.param(route, id=route.name) for route in routes]


@pytest.mark.parametrize("route", _rows(route for route in ROUTES if route.refused))
async def test_a_refusal_changes_nothing(world: World, shop: Resources, route: Route) -> None:
    # What the row's path and body name is made before the first look.
    await world.filled(route.path)
    await world.filled(BODIES.get(route.name))
    before = await _everything(shop)

    for person, expected in route.refused.items():
        # Whose a thing is, is asked after the key is found missing; who somebody is, before.
        found_first = expected == "404" or (expected == "403" and route.name in ITS_OWNERS)
        for headers in (
            ({"Idempotency-Key": "k"},) if found_first and route.name in NEEDS_KEY else ({}, {"Idempotency-Key": "k"})
        ):
            answer = await ask(world, route, person, **headers)

            assert (person, str(answer.status_code)) == (person, expected), answer.text
            assert answer.json()["code"] in CODES[expected]
            challenge = 'Bearer realm="bookstore"' if expected == "401" else None
            assert answer.headers.get("www-authenticate") == challenge
        by_role = expected in {"401", "403"} and not found_first
        if by_role and route.method != "GET" and route.name not in CREDENTIALS_IN_BODY:
            nonsense = await world.people[person].request(
                route.method, await world.filled(route.path), json={"nonsense": 1}
            )
            assert (person, str(nonsense.status_code)) == (person, expected), nonsense.text

    assert await _everything(shop) == before


@pytest.mark.parametrize("route", _rows(route for route in ROUTES if route.let_in and route.method == "GET"))
async def test_who_may_look_is_let_in(world: World, route: Route) -> None:
    for person in route.let_in:
        answer = await ask(world, route, person)

        assert answer.status_code < 400, (person, answer.text)


@pytest.mark.parametrize(
    ("route", "person"),
    [
        pytest.param(route, person, id=f"{route.name} {person}")
        for route in ROUTES
        for person in route.let_in
        if route.method != "GET"
    ],
)
async def test_who_may_is_let_in(world: World, route: Route, person: str) -> None:
    answer = await ask(world, route, person)

    assert answer.status_code < 400, answer.text
