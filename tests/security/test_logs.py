"""Sends secrets through every part of a running system, and looks for them in every log."""

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from app.models.address import SavedAddress
from stack.mailbox import mails_in
from tests.factories.books import API
from tests.factories.buying import an_address
from tests.outbox.sink import mails_once_there
from tests.security.leaks import SHAPES, kept_secrets, leaks
from tests.security.said import lines_of


@pytest.fixture
def profile() -> Path:
    """The folder of the system that the tests run beside."""
    return Path(os.environ["BOOKSTORE_STATE_PROFILE"])


async def test_no_log_holds_what_people_keep_secret(profile: Path) -> None:
    # given
    canaries = {
        name: secrets.token_hex(16) for name in ("password", "wrong", "new", "first-name", "token", "header", "key")
    }
    user = secrets.token_hex(8)
    names: dict[str, Any] = {
        "email": f"{user}@example.com",
        "username": f"user-{user}",
        "first_name": canaries["first-name"],
    }
    async with httpx.AsyncClient(base_url=f"{os.environ['BOOKSTORE_URL']}/api/v1", timeout=30) as people:
        # when people use what is theirs
        welcome = await people.post("/auth/register", json=names | {"password": canaries["password"]})
        assert welcome.status_code == 201, welcome.text
        tokens = welcome.json()
        own = {"Authorization": f"Bearer {tokens['access_token']}"}
        for body in ({"password": canaries["wrong"]}, {"password": canaries["password"]}):
            await people.post("/auth/login", json={"login": names["email"]} | body)
        refreshed = await people.post(
            "/auth/token/refresh",
            json={"refresh_token": tokens["refresh_token"]},
            headers={"Idempotency-Key": canaries["key"]},
        )
        assert refreshed.status_code == 200
        changed = {"current_password": canaries["password"], "password": canaries["new"]}
        assert (await people.post("/users/me/password", json=changed, headers=own)).status_code == 204
        await people.post("/auth/password/forgot", json={"email": names["email"]})
        letters = await mails_once_there(profile / "data" / "mail", to=names["email"], count=2)
        # and others try what isn't
        for made_up in (canaries["token"], tokens["access_token"][:-3] + "abc"):
            await people.get("/users/me", headers={"Authorization": f"Bearer {made_up}"})
        await people.post("/auth/email/verify", json={"token": canaries["token"]})
        await people.post("/auth/password/reset", json={"token": canaries["token"], "password": canaries["new"]})
        await people.post("/auth/login", content=f'{{"login": "x", "password": "{canaries["password"]}"')
        await people.get("/cart", headers={"X-Cart-Token": canaries["header"]})

    # then
    assert tokens["user"]["first_name"] == canaries["first-name"]
    issued = {name: tokens[name] for name in ("access_token", "refresh_token")}
    issued |= {f"second {name}": refreshed.json()[name] for name in issued}
    in_letters = {
        f"code {number}": line
        for number, letter in enumerate(letters)
        for line in letter.body("plain").splitlines()
        if len(line) == 43 and " " not in line
    }
    assert len(in_letters) == 2
    everything = canaries | issued | in_letters | kept_secrets(profile.parent)
    assert list(leaks(profile / "logs", everything)) == []
    assert len(list((profile / "logs").glob("*.log"))) > 10
    assert mails_in(profile / "data" / "mail")


async def test_every_line_of_a_replica_is_json(profile: Path) -> None:
    lines = (profile / "logs" / "api-1.log").read_text(encoding="utf-8").splitlines()

    said = [json.loads(line) for line in lines if not line.startswith("--- started by the stack's supervisor")]

    assert {"Started server process", "Application startup complete."} <= {
        one["message"].partition(" [")[0] for one in said
    }
    assert all({"at", "level", "name", "message", "process"} <= set(one) for one in said)


async def test_every_change_is_logged_once_with_the_request_s_id(profile: Path) -> None:
    # given
    replicas, mark = list((profile / "logs").glob("api-*.log")), secrets.token_hex(8)
    paths = {
        f"opened-{mark}": ("POST", "/api/v1/carts", 201),
        f"unsigned-{mark}": ("DELETE", "/api/v1/books/bk_1", 401),
        f"named-{mark}": ("PATCH", "/api/v1/users/ada@example.com", 401),
        f"nowhere-{mark}": ("POST", "/api/v1/ada@example.com", 404),
    }
    # when
    async with httpx.AsyncClient(base_url=os.environ["BOOKSTORE_URL"], timeout=30) as people:
        for name, (method, path, status) in paths.items():
            await people.get("/api/v1/books?limit=1", headers={"X-Request-ID": f"read-{name}"})
            asked = await people.request(method, f"{path}?q=bea@example.com", headers={"X-Request-ID": name})
            assert asked.status_code == status
    # then
    said = {name: await lines_of(name, *replicas) for name in paths}
    told = {name: (one["method"], one["path"], one["status"]) for name, lines in said.items() for one in lines}
    assert {name: len(lines) for name, lines in said.items()} == dict.fromkeys(paths, 1)
    assert told == paths | {
        f"named-{mark}": ("PATCH", "/users/{user_id}", 401),
        f"nowhere-{mark}": ("POST", "none", 404),
    }
    assert all(one["level"] == "INFO" and one["ms"] >= 0 for lines in said.values() for one in lines)
    assert f"read-opened-{mark}" not in "".join(log.read_text(encoding="utf-8") for log in replicas)


async def test_mongodb_logs_no_address_that_met_another_write(
    customer: httpx.AsyncClient, shop: Resources, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a transaction that has written the same document
    street, tries = f"Lane {secrets.token_hex(16)}", list[str]()
    made = (await customer.post(f"{API}/users/me/addresses", json=an_address())).json()
    intact = SavedAddress.replace_with

    async def counted(address_id: str, *args: Any, **kwargs: Any) -> SavedAddress | None:
        tries.append(address_id)
        return await intact(address_id, *args, **kwargs)

    monkeypatch.setattr(SavedAddress, "replace_with", counted)
    async with shop.database.client.start_session() as session, await session.start_transaction():
        rows = shop.database.database["addresses"]
        assert (await rows.update_one({"_id": made["id"]}, {"$set": {"seen": 1}}, session=session)).matched_count == 1

        # when: another one meets it, and starts over
        replacing = asyncio.create_task(
            customer.put(f"{API}/users/me/addresses/{made['id']}", json=an_address(line1=street))
        )
        async with asyncio.timeout(60):
            while len(tries) < 2:
                await asyncio.sleep(0.01)
        await session.abort_transaction()

    # then
    assert (await replacing).json()["line1"] == street
    assert list(leaks(profile / "logs", {"an address": street})) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"url": "mongodb://app:hunter2@host/"}', ["a credential in an address"]),
        ("redis://:**@127.0.0.1:6482/0", []),
        ("smtp://shop:hunter2@mail:25", ["a credential in an address"]),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", ["a password's hash"]),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", ["an Authorization header"]),
        ("nothing", []),
    ],
)
def test_what_looks_like_a_secret_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "api-1.log").write_text(text)

    assert list(leaks(tmp_path, {})) == [f"api-1.log holds {name}" for name in found]
    assert set(found) <= set(SHAPES)
