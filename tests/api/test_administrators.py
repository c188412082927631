"""The first administrator comes from a terminal: `./bookstore admin create`."""

import asyncio
import json
import os
import subprocess
import sys

import httpx

from app.lifespan import Resources
from app.services.accounts import make_admin
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer
from tests.factories.books import API


async def test_an_administrator_is_made_beside_the_running_system() -> None:
    email = f"boss-{os.getpid()}@example.com"
    command = [sys.executable, "-m", "app.account_commands", "create-admin", email]
    made = json.loads(
        (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout
    )

    async with httpx.AsyncClient(base_url=os.environ["BOOKSTORE_URL"], timeout=30) as client:
        signed_in = await client.post(f"{API}/auth/login", json={"login": email, "password": made["password"]})
        assert signed_in.status_code == 200, signed_in.text
        me = await client.get(f"{API}/users/me", headers=bearer(signed_in.json()["access_token"]))

    assert (me.json()["role"], me.json()["email_verified"], me.json()["username"]) == ("admin", True, made["username"])


async def test_an_account_that_anybody_may_have_made_gets_another_password(
    client: httpx.AsyncClient, shop: Resources
) -> None:
    await a_user(client)

    made = await make_admin(shop.desk, "ada@example.com", password=None)

    assert made.generated
    refused = await client.post(f"{API}/auth/login", json={"login": "ada", "password": PASSWORD})
    assert_problem(refused, 401, "invalid_credentials")
    mine = await client.post(f"{API}/auth/login", json={"login": "ada", "password": made.generated})
    assert mine.status_code == 200


async def test_who_has_an_account_keeps_it_and_signs_in_anew(client: httpx.AsyncClient, shop: Resources) -> None:
    tokens = await a_user(client)
    confirmed = {"$set": {"email_verified": True}}
    await shop.database.database["users"].update_one({"_id": tokens["user"]["id"]}, confirmed)

    made = await make_admin(shop.desk, "ADA@example.com", password=None)

    assert (made.user.id, made.generated) == (tokens["user"]["id"], None)
    before = await client.get(f"{API}/users/me", headers=bearer(tokens["access_token"]))
    assert_problem(before, 401, "token_revoked")
    signed_in = await client.post(f"{API}/auth/login", json={"login": "ada", "password": PASSWORD})
    me = await client.get(f"{API}/users/me", headers=bearer(signed_in.json()["access_token"]))
    assert me.json()["role"] == "admin"


async def test_who_was_made_an_administrator_stands_in_the_audit_log(
    client: httpx.AsyncClient, shop: Resources
) -> None:
    tokens = await a_user(client)
    raised = await make_admin(shop.desk, "ada@example.com", password=PASSWORD)
    made = await make_admin(shop.desk, "boss@example.com", password=None)
    mine = (await client.post(f"{API}/auth/login", json={"login": "ada", "password": PASSWORD})).json()

    asked = {"action": "create_admin"}
    log = await client.get(f"{API}/admin/audit-log", params=asked, headers=bearer(mine["access_token"]))

    entries = log.json()["data"]
    assert raised.user.id == tokens["user"]["id"]
    assert [(one["actor"], one["changes"][0]["of"]) for one in entries] == [
        ("operator", made.user.id),
        ("operator", raised.user.id),
    ]
    assert entries[1]["changes"][0]["before"]["role"] == "customer"
    assert entries[1]["changes"][0]["after"]["role"] == "admin"
    assert made.generated is not None
    assert made.generated not in log.text


async def test_a_bad_address_or_password_is_refused_in_words() -> None:
    command = [sys.executable, "-m", "app.account_commands", "create-admin"]
    for arguments, environment, said in (
        (["no-address"], {}, "the email is no e-mail address"),
        (["boss@example.com"], {"BOOKSTORE_ADMIN_PASSWORD": "short"}, "the password "),
    ):
        done = await asyncio.to_thread(
            subprocess.run, [*command, *arguments], capture_output=True, text=True, env=os.environ | environment
        )
        assert done.returncode == 1
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) == 1


async def test_a_wrong_setting_or_an_absent_database_is_a_sentence() -> None:
    nowhere = "mongodb://127.0.0.1:9/?replicaSet=bookstore"
    for arguments in (["token"], ["create-admin", "boss@example.com"]):
        for environment, said in (
            ({"BOOKSTORE_PASSWORD_THREADS": "many"}, "A setting is wrong: BOOKSTORE_PASSWORD_THREADS: "),
            ({"BOOKSTORE_MONGO_URL": nowhere}, "The database has no primary at the moment"),
        ):
            command = [sys.executable, "-m", "app.account_commands", *arguments]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, env=os.environ | environment
            )
            assert done.returncode == 1
            assert done.stderr.startswith(said)
            assert len(done.stderr.splitlines()) == 1
