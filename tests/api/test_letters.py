"""What letters' tokens do: they confirm an address, and let people set a new password."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from app.models.user_token import UserToken
from app.user_tokens import user_token
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer
from tests.factories.books import API

ANOTHER = "eleven umbrellas, one hat"


async def _letters(shop: Resources, kind: str) -> list[str]:
    """Return the tokens of the letters of this kind, as the letters will carry them."""
    events = await OutboxEvent.find({"kind": kind}).sort("_id").to_list()
    return [user_token(shop.settings, str(event.data["token_id"])) for event in events]


async def _verify(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(f"{API}/auth/email/verify", json={"token": token})


async def _reset(client: httpx.AsyncClient, token: str, password: str = ANOTHER) -> httpx.Response:
    return await client.post(f"{API}/auth/password/reset", json={"token": token, "password": password})


async def _forget(client: httpx.AsyncClient, email: str = "ada@example.com") -> httpx.Response:
    return await client.post(f"{API}/auth/password/forgot", json={"email": email})


async def _sign_in(client: httpx.AsyncClient, password: str) -> int:
    return (await client.post(f"{API}/auth/login", json={"login": "ada", "password": password})).status_code


async def test_a_letter_confirms_the_address_once(client: httpx.AsyncClient, shop: Resources) -> None:
    tokens = await a_user(client)
    (token,) = await _letters(shop, "user.verification_requested")

    assert (await _verify(client, token)).status_code == 204

    me = await client.get(f"{API}/users/me", headers=bearer(tokens["access_token"]))
    assert me.json()["email_verified"] is True
    assert_problem(await _verify(client, token), 410, "gone")


async def test_a_newer_letter_replaces_the_older(client: httpx.AsyncClient, shop: Resources) -> None:
    tokens = await a_user(client)

    resent = await client.post(f"{API}/auth/email/resend", headers=bearer(tokens["access_token"]))

    assert resent.status_code == 202
    first, second = await _letters(shop, "user.verification_requested")
    assert_problem(await _verify(client, first), 410, "gone")
    assert (await _verify(client, second)).status_code == 204
    assert (await client.post(f"{API}/auth/email/resend", headers=bearer(tokens["access_token"]))).status_code == 202
    assert len(await _letters(shop, "user.verification_requested")) == 2


async def test_a_letter_expires(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    (token,) = await _letters(shop, "user.verification_requested")
    past = clock.now() - timedelta(seconds=1)
    await UserToken.get_pymongo_collection().update_many({}, {"$set": {"expires_at": past}})

    assert_problem(await _verify(client, token), 410, "gone")


@pytest.mark.parametrize("token", ["x", "A" * 43, "../../etc/passwd", "\u0000", "ä" * 100])
async def test_made_up_tokens_are_gone(client: httpx.AsyncClient, token: str) -> None:
    assert_problem(await _verify(client, token), 410, "gone")
    assert_problem(await _reset(client, token), 410, "gone")


async def test_who_forgot_the_password_sets_another_and_every_session_ends(
    client: httpx.AsyncClient, shop: Resources
) -> None:
    tokens = await a_user(client)
    assert (await _forget(client, "ADA@example.com")).status_code == 202
    (token,) = await _letters(shop, "user.password_reset_requested")

    assert (await _reset(client, token)).status_code == 204

    whoami = await client.get(f"{API}/users/me", headers=bearer(tokens["access_token"]))
    assert_problem(whoami, 401, "token_revoked")
    assert (await _sign_in(client, PASSWORD), await _sign_in(client, ANOTHER)) == (401, 200)
    assert_problem(await _reset(client, token), 410, "gone")


async def test_a_token_used_many_times_at_once_works_once(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    await _forget(client)
    (token,) = await _letters(shop, "user.password_reset_requested")

    answers = await asyncio.gather(*(_reset(client, token, f"{ANOTHER} {number}") for number in range(10)))

    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 9


async def test_a_bad_password_leaves_the_token_good(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    await _forget(client)
    (token,) = await _letters(shop, "user.password_reset_requested")

    for bad in ("short", "password123", "ada@example.com", "x" * 129):
        assert_problem(await _reset(client, token, bad), 422, "validation_error")

    assert (await _reset(client, token)).status_code == 204


async def test_tokens_for_one_purpose_are_no_good_for_another(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    await _forget(client)
    (reset,) = await _letters(shop, "user.password_reset_requested")
    (verify,) = await _letters(shop, "user.verification_requested")

    assert_problem(await _verify(client, reset), 410, "gone")
    assert_problem(await _reset(client, verify), 410, "gone")


async def test_nobody_learns_whether_an_address_is_known(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)

    known, unknown = await _forget(client), await _forget(client, "nobody@example.com")

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"")
    own = {"x-request-id"}
    assert {k: v for k, v in known.headers.items() if k not in own} == {
        k: v for k, v in unknown.headers.items() if k not in own
    }
    assert len(await _letters(shop, "user.password_reset_requested")) == 1


async def test_a_request_for_a_letter_that_is_sent_again_is_answered_and_no_letter(
    client: httpx.AsyncClient, shop: Resources
) -> None:
    mine = bearer((await a_user(client))["access_token"])
    keys, body = {"Idempotency-Key": "once"}, {"email": "ada@example.com"}

    # when: of five letters registering took one
    resent = [await client.post(f"{API}/auth/email/resend", headers=mine | keys) for _ in range(7)]
    forgotten = [await client.post(f"{API}/auth/password/forgot", json=body, headers=keys) for _ in range(7)]

    for answers in (resent, forgotten):
        assert [answer.status_code for answer in answers] == [202] * 7
        assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None] + ["true"] * 6
    assert len(await _letters(shop, "user.verification_requested")) == 2
    assert len(await _letters(shop, "user.password_reset_requested")) == 1
    assert [(await _forget(client)).status_code for _ in range(3)] == [202, 202, 429]


async def test_a_letter_of_a_former_address_is_no_good(client: httpx.AsyncClient, shop: Resources) -> None:
    tokens = await a_user(client)
    await _forget(client)
    (reset,) = await _letters(shop, "user.password_reset_requested")
    (verify,) = await _letters(shop, "user.verification_requested")

    moved = await client.patch(
        f"{API}/users/me",
        json={"email": "lovelace@example.com", "current_password": PASSWORD},
        headers=bearer(tokens["access_token"]),
    )

    assert moved.status_code == 200
    assert moved.json()["email_verified"] is False
    assert_problem(await _verify(client, verify), 410, "gone")
    assert_problem(await _reset(client, reset), 410, "gone")


async def test_no_token_lies_in_the_database(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    await _forget(client)

    tokens = [
        *await _letters(shop, "user.password_reset_requested"),
        *await _letters(shop, "user.verification_requested"),
    ]

    names = ("users", "sessions", "user_tokens", "outbox_events", "idempotency_keys")
    kept = repr([await shop.database.database[name].find({}).to_list() for name in names])
    assert len(tokens) == 2
    assert not any(token in kept for token in tokens)
