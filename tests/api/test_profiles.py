"""What users see and change of themselves, and administrators of anybody."""

import asyncio
from typing import Any

import httpx
import pytest

from app.cache import tags
from app.lifespan import Resources
from app.models.user import User
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, address_body, bearer
from tests.factories.books import API

ME = f"{API}/users/me"
ANOTHER = "eleven umbrellas, one hat"


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> dict[str, Any]:
    return await a_user(client, email="ada@example.com", username="ada")


@pytest.fixture
async def me(client: httpx.AsyncClient, ada: dict[str, Any]) -> dict[str, str]:
    return bearer(ada["access_token"])


async def _sign_in(client: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{API}/auth/login", json={"login": "ada", "password": password})


async def test_a_profile_is_changed_by_patch_and_replaced_by_put(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    patched = await client.patch(ME, json={"first_name": "Ada", "last_name": "Lovelace"}, headers=me)
    replaced = await client.put(ME, json={"email": "ADA@example.com", "username": "Ada"}, headers=me)

    assert (patched.json()["first_name"], patched.json()["last_name"]) == ("Ada", "Lovelace")
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["email"], replaced.json()["first_name"]) == ("ADA@example.com", None)
    assert (await client.get(ME, headers=me)).json() == replaced.json()


@pytest.mark.parametrize("field", ["role", "id", "email_verified", "created_at", "disabled", "password_hash", "_id"])
async def test_nobody_writes_what_is_ours_to_say(client: httpx.AsyncClient, me: dict[str, str], field: str) -> None:
    before = (await client.get(ME, headers=me)).json()

    answer = await client.patch(ME, json={field: "admin"}, headers=me)

    assert_problem(answer, 422, "validation_error")
    assert (await client.get(ME, headers=me)).json() == before


async def test_another_address_wants_the_current_password(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    wanted = {"email": "lovelace@example.com"}

    without = await client.patch(ME, json=wanted, headers=me)
    wrong = await client.patch(ME, json=wanted | {"current_password": "guessed"}, headers=me)
    right = await client.patch(ME, json=wanted | {"current_password": PASSWORD}, headers=me)

    assert_problem(without, 422, "validation_error")
    assert_problem(wrong, 401, "invalid_credentials")
    assert (right.status_code, right.json()["email"]) == (200, "lovelace@example.com")


async def test_names_of_others_are_taken(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    await a_user(client, email="bob@example.com", username="bob")

    assert_problem(await client.patch(ME, json={"username": "BOB"}, headers=me), 409, "username_taken")
    taken = {"email": "Bob@example.com", "current_password": PASSWORD}
    assert_problem(await client.patch(ME, json=taken, headers=me), 409, "email_taken")


async def test_a_new_password_ends_the_other_sessions(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    elsewhere = bearer((await _sign_in(client)).json()["access_token"])

    wrong = await client.post(f"{ME}/password", json={"current_password": "x", "password": ANOTHER}, headers=me)
    right = await client.post(f"{ME}/password", json={"current_password": PASSWORD, "password": ANOTHER}, headers=me)

    assert_problem(wrong, 401, "invalid_credentials")
    assert right.status_code == 204
    assert (await client.get(ME, headers=me)).status_code == 200
    assert_problem(await client.get(ME, headers=elsewhere), 401, "token_revoked")
    assert ((await _sign_in(client)).status_code, (await _sign_in(client, ANOTHER)).status_code) == (401, 200)


async def test_a_new_password_that_is_sent_again_is_answered_and_no_guess(
    client: httpx.AsyncClient, shop: Resources, me: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: one more session, which ends
    await _sign_in(client)
    sessions = (await client.get(f"{ME}/sessions", headers=me)).json()["data"]
    ended = tags.of_sessions(one["id"] for one in sessions if not one["current"])
    touched: list[frozenset[str]] = []
    touch = shop.writer.invalidator.touch

    async def noted(names: frozenset[str], **told: Any) -> None:
        touched.append(names)
        await touch(names, **told)

    monkeypatch.setattr(shop.writer.invalidator, "touch", noted)
    changed = {"current_password": PASSWORD, "password": ANOTHER}

    # when: more often than anybody may guess
    keyed = me | {"Idempotency-Key": "once"}
    answers = [await client.post(f"{ME}/password", json=changed, headers=keyed) for _ in range(12)]

    # then: each repeat makes sure that the ended session is forgotten, as the first may have died before it did
    assert [answer.status_code for answer in answers] == [204] * 12
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None] + ["true"] * 11
    assert touched == [ended] * 12
    assert (await _sign_in(client, ANOTHER)).status_code == 200
    again = await client.post(f"{ME}/password", json=changed | {"password": f"{ANOTHER}!"}, headers=keyed)
    assert_problem(again, 422, "idempotency_key_reused")


async def test_sessions_are_listed_and_ended_one_by_one(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    answer = await client.post(
        f"{API}/auth/login", json={"login": "ada", "password": PASSWORD}, headers={"User-Agent": "Phone"}
    )
    phone = bearer(answer.json()["access_token"])

    listed = (await client.get(f"{ME}/sessions", headers=me)).json()["data"]

    assert listed[0]["user_agent"] == "Phone"
    assert [one["current"] for one in listed] == [False, True]
    assert (await client.delete(f"{ME}/sessions/{listed[0]['id']}", headers=me)).status_code == 204
    assert_problem(await client.get(ME, headers=phone), 401, "token_revoked")
    assert_problem(await client.delete(f"{ME}/sessions/{listed[0]['id']}", headers=me), 404, "not_found")


async def test_a_deleted_account_leaves_no_name(
    client: httpx.AsyncClient, shop: Resources, ada: dict[str, Any], me: dict[str, str]
) -> None:
    await client.post(f"{ME}/addresses", json=address_body(), headers=me)

    assert (await client.delete(ME, headers=me)).status_code == 204

    assert_problem(await client.get(ME, headers=me), 401, "token_revoked")
    assert_problem(await _sign_in(client), 401, "invalid_credentials")
    names = ("users", "sessions", "user_tokens", "addresses")
    kept = repr([await shop.database.database[name].find({}).to_list() for name in names]).casefold()
    assert ada["user"]["id"].casefold() in kept
    assert "ada@example.com" not in kept
    assert "'ada'" not in kept
    assert "lovelace" not in kept
    # The names are free again.
    assert (await a_user(client, email="ada@example.com", username="ada"))["user"]["id"] != ada["user"]["id"]


async def test_addresses_are_kept(client: httpx.AsyncClient, me: dict[str, str]) -> None:
    made = await client.post(f"{ME}/addresses", json=address_body(), headers=me)
    path = made.headers["location"]

    assert made.status_code == 201
    assert (await client.get(path, headers=me)).json() == made.json()
    changed = await client.put(path, json=address_body(city="Bath"), headers=me)
    assert (changed.status_code, changed.json()["city"]) == (200, "Bath")
    assert [one["city"] for one in (await client.get(f"{ME}/addresses", headers=me)).json()["data"]] == ["Bath"]
    assert (await client.delete(path, headers=me)).status_code == 204
    assert_problem(await client.get(path, headers=me), 404, "not_found")


async def test_a_shut_account_is_out_at_once_and_in_again_when_opened(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, ada: dict[str, Any], me: dict[str, str]
) -> None:
    path = f"{API}/admin/users/{ada['user']['id']}"
    assert (await client.get(ME, headers=me)).status_code == 200

    shut = await admin.patch(path, json={"disabled": True})

    assert (shut.status_code, shut.json()["disabled"]) == (200, True)
    assert_problem(await client.get(ME, headers=me), 401, "token_revoked")
    assert_problem(await _sign_in(client), 401, "invalid_credentials")
    assert (await admin.patch(path, json={"disabled": False})).status_code == 200
    assert (await _sign_in(client)).status_code == 200


async def test_a_role_holds_from_the_next_request_on(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, ada: dict[str, Any], me: dict[str, str]
) -> None:
    path, guarded = f"{API}/admin/users/{ada['user']['id']}", f"{API}/inventory/low-stock"
    assert (await client.get(guarded, headers=me)).status_code == 403

    for role, status in (("staff", 200), ("customer", 403)):
        assert (await admin.patch(path, json={"role": role})).status_code == 200
        assert (await client.get(guarded, headers=me)).status_code == status


async def test_two_administrators_cannot_depose_each_other(
    client: httpx.AsyncClient, admin: httpx.AsyncClient, ada: dict[str, Any], me: dict[str, str]
) -> None:
    own = (await admin.get(ME)).json()["id"]
    assert (await admin.patch(f"{API}/admin/users/{ada['user']['id']}", json={"role": "admin"})).status_code == 200

    answers = await asyncio.gather(
        admin.patch(f"{API}/admin/users/{ada['user']['id']}", json={"role": "customer"}),
        client.patch(f"{API}/admin/users/{own}", json={"role": "customer"}, headers=me),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 403]
    assert await User.find({"role": "admin"}).count() == 1
    assert_problem(
        await admin.patch(f"{API}/admin/users/{own}", json={"disabled": True}), *REFUSALS[answers[0].status_code]
    )


REFUSALS = {200: (409, "conflict"), 403: (403, "permission_denied")}


async def test_administrators_find_people(admin: httpx.AsyncClient, ada: dict[str, Any]) -> None:
    for query in ("email=ADA@example.com", "username=ADA", "role=customer", "disabled=false&username=ada"):
        found = (await admin.get(f"{API}/admin/users?{query}")).json()["data"]
        assert [one["id"] for one in found] == [ada["user"]["id"]], query
    assert (await admin.get(f"{API}/users?limit=1&include=total")).json()["page"]["total"] == {
        "value": 2,
        "relation": "eq",
    }
