"""Proves for every route of the application what each kind of person gets: authorization_table.py says what."""

from collections import Counter

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.lifespan import Resources
from app.models import DOCUMENTS
from app.models.cache_grant import CacheGrant
from tests.api.authorization_table import BODIES, CREDENTIALS_IN_BODY, FORM, NEEDS_KEY, ROUTES, Route, World, ask
from tests.factories.accounts import a_user

CODES = {
    "400": {"webhook_signature_invalid"},  # whoever sends it, it has to be the gateway's
    "401": {"authentication_required"},
    "403": {"permission_denied"},
    "404": {"not_found"},
}


@pytest.fixture
async def world(
    client: httpx.AsyncClient,
    customer: httpx.AsyncClient,
    other_customer: httpx.AsyncClient,
    staff: httpx.AsyncClient,
    admin: httpx.AsyncClient,
) -> World:
    await a_user(client, email="somebody@example.com", username="somebody")
    return World({"anonymous": client, "owner": customer, "stranger": other_customer, "staff": staff, "admin": admin})


async def _everything(shop: Resources) -> dict[str, list[dict[str, object]]]:
    # The watcher of the shared cache writes its grants whoever asks for what.
    names = [str(document.get_settings().name) for document in DOCUMENTS if document is not CacheGrant]
    return {name: await shop.database.database[name].find({}).sort("_id", 1).to_list() for name in names}


def test_every_route_has_a_row(app: FastAPI) -> None:
    served = [
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
        for method in context.methods or ()
    ]

    assert Counter(served) == Counter((route.method, route.path) for route in ROUTES)


def test_every_body_is_of_a_row() -> None:
    assert {name.removeprefix(FORM) for name in BODIES} <= {route.name for route in ROUTES}


@pytest.mark.parametrize(
    ("route", "person"),
    [pytest.param(route, person, id=f"{route.name} {person}") for route in ROUTES for person in route.refused],
)
async def test_a_refusal_changes_nothing(world: World, shop: Resources, route: Route, person: str) -> None:
    expected = route.refused[person]
    await ask_nothing(world, route)
    before = await _everything(shop)

    # Whose a thing is, is asked after the key is found missing; who somebody is, before.
    hidden = expected == "404" and route.name in NEEDS_KEY
    for headers in ({"Idempotency-Key": "k"},) if hidden else ({}, {"Idempotency-Key": "k"}):
        answer = await ask(world, route, person, **headers)

        assert str(answer.status_code) == expected, answer.text
        assert answer.json()["code"] in CODES[expected]
        challenge = 'Bearer realm="bookstore"' if expected == "401" else None
        assert answer.headers.get("www-authenticate") == challenge

    assert await _everything(shop) == before


async def ask_nothing(world: World, route: Route) -> None:
    """Make what the row's path and body name, so that a look at everything has it on both sides."""
    await world.filled(route.path)
    await world.filled(BODIES.get(route.name))


@pytest.mark.parametrize(
    ("route", "person"),
    [
        pytest.param(route, person, id=f"{route.name} {person}")
        for route in ROUTES
        for person, expected in route.refused.items()
        if expected in {"401", "403"} and route.method != "GET" and route.name not in CREDENTIALS_IN_BODY
    ],
)
async def test_who_may_not_learns_nothing_of_the_body(world: World, route: Route, person: str) -> None:
    path = await world.filled(route.path)

    answer = await world.people[person].request(route.method, path, json={"nonsense": 1})

    assert str(answer.status_code) == route.refused[person], answer.text


@pytest.mark.parametrize(
    ("route", "person"),
    [pytest.param(route, person, id=f"{route.name} {person}") for route in ROUTES for person in route.let_in],
)
async def test_who_may_is_let_in(world: World, route: Route, person: str) -> None:
    answer = await ask(world, route, person)

    assert answer.status_code < 400, answer.text
