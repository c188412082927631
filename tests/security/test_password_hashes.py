"""Hashes grow with our parameters, and people who sign in at once are let in together."""

import asyncio
import os
import subprocess
import sys
from typing import Final

import httpx
from argon2 import extract_parameters

from app.lifespan import Resources
from app.models.session import Session
from app.models.user import User, with_password
from app.passwords import Passwords
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer
from tests.factories.books import API

ANOTHER: Final = "eleven umbrellas, one hat"
ME: Final = f"{API}/users/me"
AT_ONCE: Final = 12
OF_ONE: Final = 8
"""Fewer than the tries that an account has: those under way count."""


async def _sign_in(client: httpx.AsyncClient, login: str = "ada", password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{API}/auth/login", json={"login": login, "password": password})


async def _kept(login: str = "ada") -> str:
    user = await User.of_login(login)
    assert user is not None
    assert user.password_hash is not None
    return user.password_hash


async def _weaken(shop: Resources, login: str = "ada") -> str:
    """Give somebody a hash of earlier days: one pass over 8 MiB."""
    old = {"password_memory_kib": 8 * 1024, "password_time_cost": 1}
    passwords = Passwords(shop.settings.model_copy(update=old))
    hashed = await passwords.hash(PASSWORD)
    passwords.close()
    await User.get_pymongo_collection().update_one({"username_folded": login}, {"$set": with_password(hashed)})
    return hashed


async def test_a_hash_of_weaker_parameters_is_renewed_by_signing_in(client: httpx.AsyncClient, shop: Resources) -> None:
    # given
    await a_user(client)
    weak = await _weaken(shop)

    # when
    wrong = await _sign_in(client, password="not the password")
    after_wrong = await _kept()
    right = await _sign_in(client)

    # then
    assert (wrong.status_code, after_wrong) == (401, weak)
    assert right.status_code == 200
    renewed = extract_parameters(await _kept())
    assert (renewed.memory_cost, renewed.time_cost, renewed.parallelism) == (
        shop.settings.password_memory_kib,
        shop.settings.password_time_cost,
        1,
    )
    strong = await _kept()
    assert (await _sign_in(client)).status_code == 200
    assert await _kept() == strong


async def test_many_who_renew_one_hash_at_once_are_all_let_in(client: httpx.AsyncClient, shop: Resources) -> None:
    """The hash that a password was checked against may be renewed by somebody else meanwhile: that is no wrong one."""
    await a_user(client)
    await _weaken(shop)

    answers = await asyncio.gather(*(_sign_in(client) for _ in range(OF_ONE)))

    assert [answer.status_code for answer in answers] == [200] * OF_ONE
    assert await Session.find({}).count() == 1 + OF_ONE
    assert extract_parameters(await _kept()).memory_cost == shop.settings.password_memory_kib


async def test_people_who_sign_in_at_once_get_sessions_of_their_own(client: httpx.AsyncClient, shop: Resources) -> None:
    # given
    names = [f"ada{number}" for number in range(AT_ONCE)]
    people = {name: (await a_user(client, email=f"{name}@example.com", username=name))["user"]["id"] for name in names}

    # when: each twice, by either name, and strangers and wrong passwords among them
    logins = [*names, *(f"{name}@example.com" for name in names)]
    right, wrong = await asyncio.gather(
        asyncio.gather(*(_sign_in(client, login) for login in logins)),
        asyncio.gather(*(_sign_in(client, login, ANOTHER) for login in (*names, "nobody", "nobody@example.com"))),
    )

    # then
    assert {answer.status_code for answer in right} == {200}
    assert {answer.status_code for answer in wrong} == {401}
    for login, answer in zip(logins, right, strict=True):
        me = await client.get(ME, headers=bearer(answer.json()["access_token"]))
        assert me.json()["id"] == people[login.partition("@")[0]]
    tokens = {answer.json()["refresh_token"] for answer in right}
    assert len(tokens) == len(logins)
    assert await Session.find({}).count() == AT_ONCE + len(logins)


async def test_one_who_may_not_come_in_keeps_nobody_else_out(
    client: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    names = [f"ada{number}" for number in range(AT_ONCE)]
    shut = (await a_user(client, email="shut@example.com", username="shut"))["user"]["id"]
    for name in names:
        await a_user(client, email=f"{name}@example.com", username=name)
    assert (await admin.patch(f"{API}/admin/users/{shut}", json={"disabled": True})).status_code == 200

    answers = await asyncio.gather(*(_sign_in(client, name) for name in (*names[:6], "shut", *names[6:])))

    assert [answer.status_code for answer in answers] == [200] * 6 + [401] + [200] * 6
    assert_problem(answers[6], 401, "invalid_credentials")


async def test_nobody_gets_in_beside_a_change_of_password(client: httpx.AsyncClient, shop: Resources) -> None:
    """Whatever the order: after the change, no session lives that the old password opened, but the changer's."""
    own = (await a_user(client))["access_token"]
    change = {"current_password": PASSWORD, "password": ANOTHER}

    answers = await asyncio.gather(
        *(_sign_in(client) for _ in range(OF_ONE // 2)),
        client.post(f"{ME}/password", json=change, headers=bearer(own)),
        *(_sign_in(client) for _ in range(OF_ONE // 2)),
    )

    assert {answer.status_code for answer in answers} <= {200, 204, 401}
    assert answers[OF_ONE // 2].status_code == 204
    assert await Session.find({}).count() == 1
    assert (await client.get(ME, headers=bearer(own))).status_code == 200
    for answer in answers:
        if answer.status_code == 200:
            stale = await client.get(ME, headers=bearer(answer.json()["access_token"]))
            assert_problem(stale, 401, "token_revoked")


def test_who_was_started_to_step_back_farther_still_hashes() -> None:
    # given one who may not raise its priority again
    program = (
        "import asyncio\n"
        "from app.passwords import Passwords\n"
        "from app.settings import Settings\n"
        "print(asyncio.run(Passwords(Settings()).hash('seven lamps')))\n"
    )
    bound = ["setpriv", "--bounding-set", "-sys_nice", "--"] if os.getuid() == 0 else []

    # when
    command = ["nice", "-n", "15", *bound, sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=False)

    # then
    assert said.stderr == ""
    assert said.stdout.startswith("$argon2id$")
