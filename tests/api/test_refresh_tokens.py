import asyncio
from datetime import timedelta

import httpx

from app import clock
from app.lifespan import Resources
from app.models.session import Session
from tests.api.test_problems import assert_problem
from tests.factories.accounts import a_user, bearer
from tests.factories.books import API

WHOAMI = f"{API}/inventory/low-stock"


async def _refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(f"{API}/auth/token/refresh", json={"refresh_token": token})


async def _next(client: httpx.AsyncClient, token: str) -> str:
    response = await _refresh(client, token)
    assert response.status_code == 200, response.text
    following: str = response.json()["refresh_token"]
    return following


async def test_a_refresh_token_is_exchanged_for_the_next(client: httpx.AsyncClient) -> None:
    tokens = await a_user(client)

    response = await _refresh(client, tokens["refresh_token"])

    refreshed = response.json()
    assert set(refreshed) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert (await client.get(WHOAMI, headers=bearer(refreshed["access_token"]))).status_code == 403
    assert (await _refresh(client, refreshed["refresh_token"])).status_code == 200


async def test_who_lost_the_answer_gets_the_same_successor(client: httpx.AsyncClient) -> None:
    first = (await a_user(client))["refresh_token"]

    successors = {await _next(client, first) for _ in range(3)}

    assert len(successors) == 1


async def test_many_exchanges_at_once_give_one_successor(client: httpx.AsyncClient) -> None:
    first = (await a_user(client))["refresh_token"]

    successors = await asyncio.gather(*(_next(client, first) for _ in range(20)))

    assert len(set(successors)) == 1


async def test_a_token_that_was_exchanged_before_the_last_ends_the_family(client: httpx.AsyncClient) -> None:
    tokens = await a_user(client)
    first = tokens["refresh_token"]
    second = await _next(client, first)
    third = await _next(client, second)

    assert_problem(await _refresh(client, first), 401, "invalid_token")

    assert_problem(await _refresh(client, third), 401, "invalid_token")
    whoami = await client.get(WHOAMI, headers=bearer(tokens["access_token"]))
    assert_problem(whoami, 401, "token_revoked")


async def test_patience_with_lost_answers_ends(client: httpx.AsyncClient, shop: Resources) -> None:
    first = (await a_user(client))["refresh_token"]
    second = await _next(client, first)
    long_ago = clock.now() - timedelta(seconds=shop.settings.refresh_repeat_seconds + 1)
    await Session.get_pymongo_collection().update_many({}, {"$set": {"rotated_at": long_ago}})

    assert_problem(await _refresh(client, first), 401, "invalid_token")
    assert_problem(await _refresh(client, second), 401, "invalid_token")


async def test_a_session_ends_however_often_it_is_refreshed(client: httpx.AsyncClient, shop: Resources) -> None:
    first = (await a_user(client))["refresh_token"]
    await Session.get_pymongo_collection().update_many({}, {"$set": {"expires_at": clock.now()}})

    assert_problem(await _refresh(client, first), 401, "invalid_token")


async def test_made_up_tokens_end_nothing(client: httpx.AsyncClient) -> None:
    first = (await a_user(client))["refresh_token"]
    second = await _next(client, first)

    for made_up in (first[:-1], first + "A", "A" + first[1:], first.swapcase(), "x", "ä", "a" * 1024, "." * 100):
        assert_problem(await _refresh(client, made_up), 401, "invalid_token")

    assert (await _refresh(client, second)).status_code == 200


async def test_nothing_at_rest_lets_anybody_in(client: httpx.AsyncClient, shop: Resources) -> None:
    tokens = await a_user(client)
    following = await _next(client, tokens["refresh_token"])

    kept = [await shop.database.database[name].find({}).to_list() for name in ("users", "sessions")]

    for secret in (tokens["refresh_token"], following, tokens["access_token"]):
        assert secret not in repr(kept)
