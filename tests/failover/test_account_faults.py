"""Kills the primary while people register, sign in, refresh: no account twice, no session lost, nobody locked out."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.settings import Settings
from stack.faults import Fault
from stack.running import Stack
from tests.factories.accounts import PASSWORD, bearer, registration
from tests.factories.books import API

PEOPLE = 12
HEALED_SECONDS = 120.0
PATIENCE_SECONDS = 300.0
REPEAT_SECONDS = Settings.model_fields["refresh_repeat_seconds"].default
UNKNOWN = frozenset({409, 429, 500, 502, 503, 504})
"""What is sent again: with a key a 409 can only be `idempotency_in_progress`, which says so by `retryable`."""


@dataclass
class Person:
    """Somebody with an account, and how their refreshing went."""

    name: str
    with_keys: bool
    user_id: str
    tokens: dict[str, Any]
    refreshed: int = 0
    slowest: float = 0.0
    repeats: int = 0
    signed_in: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Town:
    """Everybody, and when to stop."""

    people: list[Person] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)


async def _until_told(
    client: httpx.AsyncClient, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[httpx.Response, int]:
    """Send the same request until an answer says what became of it; return it, and how often it was sent."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for sent in range(1, 10_000):
            try:
                answer = await client.post(f"{API}{path}", json=dict(body), headers=dict(headers))
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code < 400 or not answer.json()["retryable"]:
                return answer, sent
            assert answer.status_code in UNKNOWN, answer.text
            await asyncio.sleep(0.2)
    raise AssertionError("unreachable")


async def _register(client: httpx.AsyncClient, town: Town, *, with_keys: bool) -> None:
    name = f"p-{secrets.token_hex(5)}"
    key = {"Idempotency-Key": f"register-{name}"}
    body = registration(email=f"{name}@example.com", username=name)
    answer, _ = await _until_told(client, "/auth/register", body, key)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    town.people.append(Person(name, with_keys, made["user"]["id"], made))


async def _everybody_refreshes(people: Sequence[Person]) -> None:
    """Return when each of them has got new tokens once more."""
    before = [one.refreshed for one in people]
    async with asyncio.timeout(HEALED_SECONDS):
        while any(one.refreshed <= count for one, count in zip(people, before, strict=True)):
            await asyncio.sleep(0.05)


async def _refresh(client: httpx.AsyncClient, person: Person, town: Town) -> None:
    while not town.stop.is_set():
        began = time.monotonic()
        key = {"Idempotency-Key": secrets.token_hex(8)} if person.with_keys else {}
        body = {"refresh_token": person.tokens["refresh_token"]}
        answer, sent = await _until_told(client, "/auth/token/refresh", body, key)
        seconds = time.monotonic() - began
        person.slowest, person.repeats = max(person.slowest, seconds), person.repeats + sent - 1
        assert answer.status_code == 200 or seconds > REPEAT_SECONDS, answer.text
        if answer.status_code != 200:
            return  # this machine stood still for longer than a client without keys may take to ask again
        person.tokens = answer.json()
        person.refreshed += 1
        await asyncio.sleep(0.05)


async def _keep_signing_in(client: httpx.AsyncClient, people: Sequence[Person], town: Town) -> None:
    while not town.stop.is_set():
        for person in people:
            answer, _ = await _until_told(client, "/auth/login", {"login": person.name, "password": PASSWORD}, {})
            assert answer.status_code == 200, (person, answer.text)
            person.signed_in.append(answer.json())


async def _keep_registering(client: httpx.AsyncClient, town: Town) -> None:
    while not town.stop.is_set():
        await _register(client, town, with_keys=True)


async def test_a_killed_primary_costs_nobody_their_account(system: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=15) as client:
        # given
        town = Town()
        await asyncio.gather(*(_register(client, town, with_keys=number % 2 == 0) for number in range(PEOPLE)))
        refreshing = list(town.people)

        # when
        async with asyncio.TaskGroup() as tasks:
            for person in refreshing:
                tasks.create_task(_refresh(client, person, town))
            for half in (refreshing[::2], refreshing[1::2]):
                tasks.create_task(_keep_signing_in(client, half, town))
            for _ in range(3):
                tasks.create_task(_keep_registering(client, town))
            await _everybody_refreshes(refreshing)
            killed = await asyncio.to_thread(system.fault, Fault.KILL, "primary")
            try:
                before = len(town.people)
                async with asyncio.timeout(HEALED_SECONDS):
                    # Until people register again, with a new primary.
                    while len(town.people) < before + 6:
                        await asyncio.sleep(0.1)
            finally:
                await asyncio.to_thread(system.fault, Fault.RESTART, killed)
            await _everybody_refreshes(refreshing)
            town.stop.set()

        # then
        with capsys.disabled():
            print(
                f"\n{len(town.people)} registered, {sum(one.refreshed for one in refreshing)} refreshed, "
                f"{sum(one.repeats for one in refreshing)} sent again, "
                f"{sum(len(one.signed_in) for one in refreshing)} signed in, "
                f"slowest {max(one.slowest for one in refreshing):.1f} s"
            )
        assert len({one.user_id for one in town.people}) == len(town.people)
        for person in town.people:
            await _is_let_in(client, person)


async def _is_let_in(client: httpx.AsyncClient, person: Person) -> None:
    again = registration(email=f"{person.name}@example.com", username=person.name)
    taken, _ = await _until_told(client, "/auth/register", again, {})
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken"), person
    own, _ = await _until_told(client, "/auth/login", {"login": person.name, "password": PASSWORD}, {})
    assert own.status_code == 200, (person, own.text)
    me = await client.get(f"{API}/users/me", headers=bearer(own.json()["access_token"]))
    assert me.json()["id"] == person.user_id
    for session in person.signed_in:
        still = await client.get(f"{API}/users/me", headers=bearer(session["access_token"]))
        assert (still.status_code, still.json()["id"]) == (200, person.user_id)
    if not person.with_keys and person.slowest > REPEAT_SECONDS:
        return
    refreshed, _ = await _until_told(
        client, "/auth/token/refresh", {"refresh_token": person.tokens["refresh_token"]}, {}
    )
    assert refreshed.status_code == 200, (person, refreshed.text)
