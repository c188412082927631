import asyncio
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer, registration
from tests.factories.books import API

WHOAMI = f"{API}/inventory/low-stock"


async def _status(client: httpx.AsyncClient, access_token: str) -> tuple[int, str]:
    answer = await client.get(WHOAMI, headers=bearer(access_token))
    return answer.status_code, answer.json().get("code", "")


async def test_who_registers_is_signed_in(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{API}/auth/register", json=registration(email="Ada@Example.com", username="Ada"))

    assert response.status_code == 201
    made = response.json()
    assert made["user"] == {
        "id": made["user"]["id"],
        "email": "Ada@Example.com",
        "username": "Ada",
        "first_name": None,
        "last_name": None,
        "role": "customer",
        "email_verified": False,
        "created_at": made["user"]["created_at"],
    }
    assert (made["token_type"], made["expires_in"]) == ("bearer", 900)
    assert await _status(client, made["access_token"]) == (403, "permission_denied")
    assert response.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("names", [{"login": "ada@example.com"}, {"username": "ADA"}, {"email": "ADA@EXAMPLE.COM"}])
async def test_people_sign_in_by_either_name_in_any_case(client: httpx.AsyncClient, names: dict[str, str]) -> None:
    await a_user(client, email="Ada@Example.com", username="Ada")

    response = await client.post(f"{API}/auth/login", json=names | {"password": PASSWORD})

    assert response.status_code == 200
    assert await _status(client, response.json()["access_token"]) == (403, "permission_denied")


async def test_unknown_and_wrong_answer_the_same(client: httpx.AsyncClient) -> None:
    await a_user(client, username="ada")

    answers = [
        await client.post(f"{API}/auth/login", json={"login": login, "password": password})
        for login, password in (("ada", "not the password"), ("bob", PASSWORD), ("bob@example.com", PASSWORD))
    ]

    for answer in answers:
        assert_problem(answer, 401, "invalid_credentials")
        # RFC 6750, section 3.1: no token was sent that could be invalid.
        assert answer.headers["www-authenticate"] == 'Bearer realm="bookstore"'
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_the_form_of_oauth_works(client: httpx.AsyncClient) -> None:
    await a_user(client, username="ada")

    response = await client.post(
        f"{API}/auth/token", data={"grant_type": "password", "username": "ada", "password": PASSWORD}
    )

    assert response.status_code == 200
    assert await _status(client, response.json()["access_token"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    "email",
    ["a..b@example.com", ".a@example.com", "a.@example.com", "@example.com", ".", "=?utf-8?q?ada?=@example.com"],
)
async def test_an_address_that_no_letter_goes_to_is_refused(client: httpx.AsyncClient, email: str) -> None:
    answer = await client.post(f"{API}/auth/register", json=registration(email=email))

    problem = assert_problem(answer, 422, "validation_error")
    assert [field["pointer"] for field in problem["errors"]] == ["/email"]


async def test_who_holds_the_refresh_token_signs_out_though_the_access_token_is_over(client: httpx.AsyncClient) -> None:
    tokens = await a_user(client)
    worn = bearer("long.since.expired")

    assert_problem(await client.post(f"{API}/auth/logout", headers=worn), 401, "invalid_token")
    body = {"refresh_token": tokens["refresh_token"]}
    answer = await client.post(f"{API}/auth/logout", json=body, headers=worn)

    assert answer.status_code == 204
    assert (await _status(client, tokens["access_token"]))[0] == 401


async def test_a_form_is_a_form_however_its_kind_is_spelt(client: httpx.AsyncClient) -> None:
    await a_user(client, username="ada")
    form = f"grant_type=password&username=ada&password={quote_plus(PASSWORD)}"
    headers = {"Content-Type": "Application/X-WWW-Form-UrlEncoded", "Idempotency-Key": "once"}

    answers = [await client.post(f"{API}/auth/token", content=form, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"email": "ADA@example.com", "username": "other"}, "email_taken"),
        ({"email": "other@example.com", "username": "ADA"}, "username_taken"),
    ],
)
async def test_names_are_given_once_whatever_their_case(
    client: httpx.AsyncClient, second: dict[str, str], code: str
) -> None:
    await a_user(client, email="ada@example.com", username="ada")

    assert_problem(await client.post(f"{API}/auth/register", json=registration(**second)), 409, code)


@pytest.mark.parametrize("shared", ["email", "username"])
async def test_of_many_who_want_a_name_at_once_one_gets_it(client: httpx.AsyncClient, shared: str) -> None:
    def body(number: int) -> dict[str, Any]:
        own = registration(email=f"ada{number}@example.com", username=f"ada{number}")
        return own | {shared: registration()[shared]}

    answers = await asyncio.gather(*(client.post(f"{API}/auth/register", json=body(n)) for n in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {f"{shared}_taken"}


async def test_a_session_that_was_signed_out_is_over_at_once(client: httpx.AsyncClient) -> None:
    tokens = await a_user(client)
    assert await _status(client, tokens["access_token"]) == (403, "permission_denied")

    response = await client.post(f"{API}/auth/logout", headers=bearer(tokens["access_token"]))

    assert response.status_code == 204
    assert await _status(client, tokens["access_token"]) == (401, "token_revoked")
    refreshed = await client.post(f"{API}/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert_problem(refreshed, 401, "invalid_token")


async def test_a_refresh_token_ends_its_session_also_when_the_access_token_is_gone(client: httpx.AsyncClient) -> None:
    tokens = await a_user(client)

    for _ in range(2):
        response = await client.post(f"{API}/auth/logout", json={"refresh_token": tokens["refresh_token"]})
        assert response.status_code == 204

    assert await _status(client, tokens["access_token"]) == (401, "token_revoked")
    assert_problem(await client.post(f"{API}/auth/logout"), 401, "authentication_required")


async def test_signing_out_everywhere_ends_every_session_of_mine(client: httpx.AsyncClient) -> None:
    mine = await a_user(client, username="ada")
    also_mine = (await client.post(f"{API}/auth/login", json={"login": "ada", "password": PASSWORD})).json()
    other = await a_user(client, username="bob", email="bob@example.com")

    response = await client.post(f"{API}/auth/logout-all", headers=bearer(mine["access_token"]))

    assert response.status_code == 204
    for tokens in (mine, also_mine):
        assert await _status(client, tokens["access_token"]) == (401, "token_revoked")
    assert await _status(client, other["access_token"]) == (403, "permission_denied")
