"""How many guesses anybody has, and that nobody gets more by naming other addresses."""

import asyncio
import os
from collections import Counter

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app import clock
from app.errors import RateLimited
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from app.rate_limits import Limit, RateLimits
from app.settings import Settings
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, a_user, bearer, registration
from tests.factories.books import API
from tests.haproxy.edge import NOBODY

ATTEMPTS = 10_000
AT_ONCE = 100


def _from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


async def _guess(client: httpx.AsyncClient, login: str = "ada", password: str = "guessed wrong") -> httpx.Response:
    return await client.post(f"{API}/auth/login", json={"login": login, "password": password})


async def test_ten_thousand_guesses_are_ten(client: httpx.AsyncClient, shop: Resources) -> None:
    await a_user(client)
    await a_user(client, email="bob@example.com", username="bob")
    quota = int(shop.settings.limit_sign_in.partition("/")[0])
    seen: Counter[int] = Counter()

    for _ in range(ATTEMPTS // AT_ONCE):
        seen.update(answer.status_code for answer in await asyncio.gather(*(_guess(client) for _ in range(AT_ONCE))))

    assert seen == {401: quota, 429: ATTEMPTS - quota}
    # Neither another spelling nor the right password gets through, and nobody else is kept out.
    for login in ("ADA", "Ada"):
        assert_problem(await _guess(client, login, PASSWORD), 429, "rate_limited")
    assert (await _guess(client, "bob", PASSWORD)).status_code == 200


async def test_all_names_of_an_account_have_one_limit(client: httpx.AsyncClient) -> None:
    # given
    mine = bearer((await a_user(client, email="ada@example.com", username="ada"))["access_token"])
    names = ["ada", "ada@example.com", "ADA", "Ada@Example.com"]

    # when
    guessed = [(await _guess(client, names[number % len(names)])).status_code for number in range(12)]

    # then
    assert guessed == [401] * 10 + [429] * 2
    for name in names:
        assert_problem(await _guess(client, name, PASSWORD), 429, "rate_limited")
    changed = {"current_password": PASSWORD, "password": "another long passphrase"}
    assert_problem(await client.post(f"{API}/users/me/password", json=changed, headers=mine), 429, "rate_limited")
    assert (await _guess(client, "nobody@example.com")).status_code == 401


async def test_a_refusal_says_how_long_to_wait(client: httpx.AsyncClient, shop: Resources) -> None:
    for _ in range(10):
        assert (await _guess(client, "nobody")).status_code == 401

    answer = await _guess(client, "nobody")

    assert_problem(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert answer.headers["ratelimit-policy"] == '"sign-in";q=10;w=300'
    assert answer.headers["ratelimit"] == f'"sign-in";r=0;t={answer.headers["retry-after"]}'


async def test_who_knows_the_password_is_not_limited(client: httpx.AsyncClient) -> None:
    await a_user(client)

    answers = [await _guess(client, "ada", PASSWORD) for _ in range(15)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].headers["ratelimit"] == '"sign-in";r=10;t=300'


async def test_letters_are_limited_whether_anybody_has_the_address_or_not(client: httpx.AsyncClient) -> None:
    # given: registering has sent one already
    await a_user(client, email="ada@example.com")

    for email, letters in (("ada@example.com", 4), ("nobody@example.com", 5)):
        answers = [await client.post(f"{API}/auth/password/forgot", json={"email": email}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * letters + [429] * (6 - letters)


async def test_letters_to_an_address_that_is_registered_again_and_again_are_limited(client: httpx.AsyncClient) -> None:
    # given: accounts that are deleted as soon as the letter is on its way
    for _ in range(5):
        mine = bearer((await a_user(client, email="victim@example.com"))["access_token"])
        assert (await client.delete(f"{API}/users/me", headers=mine)).status_code == 204

    # when
    answer = await client.post(f"{API}/auth/register", json=registration(email="Victim@example.com"))

    # then
    assert_problem(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["ratelimit-policy"] == '"letter";q=5;w=3600'
    assert await OutboxEvent.find({"kind": "user.verification_requested"}).count() == 5


async def test_a_registration_that_is_sent_again_is_answered_and_counts_once(client: httpx.AsyncClient) -> None:
    # given
    headers, body = {"Idempotency-Key": "once"}, registration(email="ada@example.com")

    # when
    answers = [await client.post(f"{API}/auth/register", json=body, headers=headers) for _ in range(7)]
    forgotten = [await client.post(f"{API}/auth/password/forgot", json={"email": "ada@example.com"}) for _ in range(5)]

    # then
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert [answer.status_code for answer in forgotten] == [202] * 4 + [429]


async def test_a_registration_that_is_refused_counts_as_no_letter(client: httpx.AsyncClient) -> None:
    # given
    await a_user(client, username="ada")
    new = registration(email="new@example.com", username="ada")

    # when
    for _ in range(6):
        assert_problem(await client.post(f"{API}/auth/register", json=new), 409, "username_taken")

    # then
    assert (await client.post(f"{API}/auth/register", json=new | {"username": "new"})).status_code == 201


async def test_letters_to_an_address_that_an_account_moves_to_are_limited_as_well(client: httpx.AsyncClient) -> None:
    # given
    mine = bearer((await a_user(client, email="first@example.com"))["access_token"])
    moves = ["victim@example.com", "ada@example.com"] * 6

    # when
    answers = [
        await client.patch(f"{API}/users/me", json={"email": email, "current_password": PASSWORD}, headers=mine)
        for email in moves
    ]

    # then: the victim gets five; staying at the own address needs no letter
    assert [answer.status_code for answer in answers] == [200] * 10 + [429, 200]
    assert_problem(answers[10], 429, "rate_limited")
    assert await OutboxEvent.find({"kind": "user.verification_requested"}).count() == 1 + 10


@pytest.mark.parametrize(
    ("broker", "counted_in"),
    [
        ("redis://broker:6379/0", "redis://broker:6379/0"),
        ("amqp://shop:password@rabbit:5672//", "redis://cache:6379/0"),
        ("amqps://shop:password@rabbit:5671//", "redis://cache:6379/0"),
    ],
)
def test_attempts_are_counted_in_a_redis_whatever_the_broker_is(
    settings: Settings, broker: str, counted_in: str
) -> None:
    urls = {"broker_url": SecretStr(broker), "cache_url": SecretStr("redis://cache:6379/0")}
    asked = settings.model_copy(update=urls)

    assert asked.counting_url == counted_in
    named = asked.model_copy(update={"limits_url": SecretStr("redis://counts:6379/0")})
    assert named.counting_url == "redis://counts:6379/0"


async def test_replicas_count_together_with_rabbitmq_as_broker(settings: Settings) -> None:
    asked = settings.model_copy(update={"broker_url": SecretStr("amqp://shop:password@127.0.0.1:1//")})
    here, there, limit = RateLimits(asked), RateLimits(asked), Limit(f"shared-{os.getpid()}", 2, 300)

    await here.take((limit, "ada"))
    await there.take((limit, "ada"))

    for replica in (here, there):
        with pytest.raises(RateLimited):
            await replica.take((limit, "ada"))
        await replica.aclose()


async def test_a_window_slides(settings: Settings) -> None:
    """What was done half a window later counts for half a window longer."""
    here, there, limit = RateLimits(settings), RateLimits(settings), Limit(f"slides-{os.getpid()}", 2, 2)

    for attempt in range(20):
        who = f"ada {attempt}"
        await here.take((limit, who))
        await asyncio.sleep(1)
        began = clock.monotonic()
        await there.take((limit, who))
        await asyncio.sleep(1.1)
        # The first is over, for everybody; the second isn't, though a window that doesn't slide would be a new one.
        left = (await here.take((limit, who))).left
        if clock.monotonic() - began < limit.seconds:
            break  # on a machine that stood still the second would be over, too

    assert left == 0
    for replica in (here, there):
        await replica.aclose()


async def test_it_is_said_which_limit_was_reached(app: FastAPI) -> None:
    async with _from(app, "203.0.113.10") as stranger:
        answers = [await _guess(stranger, f"name{number}") for number in range(101)]

    assert [answer.status_code for answer in answers[-2:]] == [401, 429]
    assert answers[-1].headers["ratelimit-policy"] == '"sign-in-address";q=100;w=300'
    assert answers[-1].headers["ratelimit"].startswith('"sign-in-address";r=0')


async def test_a_guess_that_nobody_checked_does_not_count(
    client: httpx.AsyncClient, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = bearer((await a_user(client))["access_token"])
    wanted = {"current_password": PASSWORD, "password": "another long passphrase"}

    with monkeypatch.context() as crowded:
        crowded.setattr(shop.desk.passwords, "_most_waiting", 0)
        for _ in range(15):
            assert_problem(await client.post(f"{API}/users/me/password", json=wanted, headers=mine), 503, "overloaded")

    assert (await client.post(f"{API}/users/me/password", json=wanted, headers=mine)).status_code == 204


async def test_tokens_that_hold_nothing_cost_no_hash(
    client: httpx.AsyncClient, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.desk.passwords, "_most_waiting", 0)

    answer = await client.post(
        f"{API}/auth/password/reset", json={"token": "A" * 43, "password": "another long passphrase"}
    )

    assert_problem(answer, 410, "gone")


async def test_a_stranger_cannot_name_another_address(app: FastAPI, shop: Resources) -> None:
    """Who isn't our proxy may write into `X-Forwarded-For` what they like."""
    seen: Counter[int] = Counter()
    async with _from(app, "203.0.113.9") as stranger:
        for number in range(110):
            answer = await stranger.post(
                f"{API}/auth/login",
                json={"login": f"name{number}", "password": "x"},
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
            seen[answer.status_code] += 1

    assert seen == {401: 100, 429: 10}


async def test_registrations_from_one_address_are_limited(app: FastAPI, shop: Resources) -> None:
    async with (
        _from(app, "2001:db8::1") as first,
        _from(app, "2001:db8::2") as neighbour,
        _from(app, "192.0.2.1") as other,
    ):
        for number in range(30):
            body = registration(email=f"ada{number}@example.com", username=f"ada{number}")
            assert (await first.post(f"{API}/auth/register", json=body)).status_code == 201

        assert_problem(await neighbour.post(f"{API}/auth/register", json=registration()), 429, "rate_limited")
        assert (await other.post(f"{API}/auth/register", json=registration())).status_code == 201


async def test_haproxy_says_who_asks_whatever_the_client_says() -> None:
    name = f"smuggler-{os.getpid()}"
    body = registration(email=f"{name}@example.com", username=name)
    smuggled = [
        ("X-Forwarded-For", "198.51.100.7"),
        ("x-forwarded-for", "198.51.100.8, 127.0.0.1"),
        ("X_Forwarded_For", "198.51.100.9"),
        ("Forwarded", "for=198.51.100.10"),
        ("X-Real-IP", "198.51.100.11"),
    ]
    async with httpx.AsyncClient(base_url=os.environ["BOOKSTORE_URL"], timeout=30) as client:
        made = await client.post(f"{API}/auth/register", json=body, headers=smuggled)
        assert made.status_code == 201, made.text
        own = bearer(made.json()["access_token"])
        sessions = (await client.get(f"{API}/users/me/sessions", headers=own)).json()["data"]
        assert (await client.delete(f"{API}/users/me", headers=own)).status_code == 204

    assert [one["address"] for one in sessions] == ["127.0.0.1"]


async def test_without_redis_each_replica_counts_for_itself(settings: Settings) -> None:
    alone = settings.model_copy(update={"broker_url": SecretStr(f"redis://{NOBODY}/0")})
    limits, limit = RateLimits(alone), Limit("sign-in", 3, 300)
    taken = [await limits.take((limit, "ada")) for _ in range(3)]

    with pytest.raises(RateLimited):
        await limits.take((limit, "ada"))
    assert (await limits.take((limit, "bob"))).left == 2
    await limits.give_back(taken[0])
    assert (await limits.take((limit, "ada"))).left == 0
    await limits.aclose()


async def test_a_reached_limit_takes_nothing_of_the_others(settings: Settings, shop: Resources) -> None:
    narrow, wide = Limit("narrow", 1, 300), Limit("wide", 5, 300)
    await shop.desk.limits.take((narrow, "ada"), (wide, "net"))
    for _ in range(10):
        with pytest.raises(RateLimited):
            await shop.desk.limits.take((narrow, "ada"), (wide, "net"))

    assert (await shop.desk.limits.take((wide, "net"))).left == 3
