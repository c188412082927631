"""Idempotency keys: whose they are where nobody is signed in, and what lies at rest of everybody's answers."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from app.lifespan import Resources
from app.models.cart import Cart
from app.models.session import Session
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer, registration
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_address, order

KEY = {"Idempotency-Key": "1"}


async def test_a_repeated_registration_gives_the_same_tokens(client: httpx.AsyncClient, shop: Resources) -> None:
    answers = await asyncio.gather(
        *(client.post(f"{API}/auth/register", json=registration(), headers=KEY) for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == [""] + ["true"] * 4
    assert await Session.find({}).count() == 1
    kept = repr(await shop.database.database["idempotency_keys"].find({}).to_list())
    for secret in (answers[0].json()["refresh_token"], answers[0].json()["access_token"], "refresh_token", PASSWORD):
        assert secret not in kept


async def test_keys_of_different_people_never_meet(client: httpx.AsyncClient) -> None:
    first = await client.post(f"{API}/auth/register", json=registration(), headers=KEY)
    bob = registration(email="bob@example.com", username="bob")
    second = await client.post(f"{API}/auth/register", json=bob, headers=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["user"]["id"] != second.json()["user"]["id"]


async def test_a_key_opens_nothing_without_the_password(client: httpx.AsyncClient) -> None:
    await a_user(client)
    right: dict[str, Any] = {"login": "ada", "password": PASSWORD}
    first = await client.post(f"{API}/auth/login", json=right, headers=KEY)

    again = await client.post(f"{API}/auth/login", json=right, headers=KEY)
    guessed = await client.post(f"{API}/auth/login", json=right | {"password": "guessed wrong"}, headers=KEY)

    assert (first.status_code, again.content) == (200, first.content)
    assert_problem(guessed, 401, "invalid_credentials")


async def test_a_repeated_exchange_gives_the_same_token_also_late(client: httpx.AsyncClient) -> None:
    token = (await a_user(client))["refresh_token"]

    first = await client.post(f"{API}/auth/token/refresh", json={"refresh_token": token}, headers=KEY)
    following = first.json()["refresh_token"]
    await client.post(f"{API}/auth/token/refresh", json={"refresh_token": following})
    again = await client.post(f"{API}/auth/token/refresh", json={"refresh_token": token}, headers=KEY)

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_the_form_of_oauth_takes_keys_too(client: httpx.AsyncClient) -> None:
    await a_user(client)
    form = {"username": "ada", "password": PASSWORD}

    answers = [await client.post(f"{API}/auth/token", data=form, headers=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


async def test_a_guests_cart_is_opened_once(client: httpx.AsyncClient, app: FastAPI, shop: Resources) -> None:
    # when
    answers = await asyncio.gather(*(client.post(f"{API}/carts", headers=KEY) for _ in range(5)))
    other_key = await client.post(f"{API}/carts", headers={"Idempotency-Key": "2"})
    elsewhere = httpx.ASGITransport(app, client=("203.0.113.9", 40_000))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://shop") as stranger:
        others = await stranger.post(f"{API}/carts", headers=KEY)

    # then
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotency-replayed", "") for answer in answers) == [""] + ["true"] * 4
    token = answers[0].json()["cart_token"]
    assert (await client.get(f"{API}/cart", headers={"X-Cart-Token": token})).json()["id"] == answers[0].json()["id"]
    for other in (other_key, others):
        assert (other.status_code, "idempotency-replayed" in other.headers) == (201, False)
    assert len({one.json()["cart_token"] for one in (answers[0], other_key, others)}) == 3
    assert await Cart.count() == 3
    kept = repr(await shop.database.database["idempotency_keys"].find({}).to_list())
    for secret in (token, "cart_token"):
        assert secret not in kept


async def test_opening_a_cart_says_that_it_takes_a_key(client: httpx.AsyncClient) -> None:
    operation = (await client.get(f"{API}/openapi.json")).json()["paths"][f"{API}/carts"]["post"]

    assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]


async def test_no_stored_answer_names_anybody(
    client: httpx.AsyncClient, staff: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    mine = bearer((await a_user(client, email="ada@example.com", first_name="Augusta"))["access_token"])
    book = await a_stocked_book(staff)

    # when
    answers = [
        await client.patch(f"{API}/users/me", json={"last_name": "Lovelace"}, headers=mine | {"Idempotency-Key": "1"}),
        await client.post(
            f"{API}/users/me/addresses", json=an_address(line1="12 Square"), headers=mine | {"Idempotency-Key": "2"}
        ),
        await order(
            client, (book, 1), headers=mine | {"Idempotency-Key": "3"}, shipping_address=an_address(line1="12 Square")
        ),
    ]

    # then
    assert [answer.status_code for answer in answers] == [200, 201, 201]
    kept = repr(await shop.database.database["idempotency_keys"].find({}).to_list())
    for personal in ("ada@example.com", "Augusta", "Lovelace", "12 Square"):
        assert personal in "".join(answer.text for answer in answers)
        assert personal not in kept
