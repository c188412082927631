"""Whether somebody has an account shows neither in an answer nor in how long it takes."""

from collections.abc import Awaitable, Callable
from itertools import count

import httpx

from app import clock
from app.lifespan import Resources
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.books import API

SAMPLES = 40


def _share_of_longer(first: list[float], second: list[float]) -> float:
    """Return how likely one of the first takes longer than one of the second (Mann-Whitney); 0.5: nothing to tell."""
    return sum((one > other) + 0.5 * (one == other) for one in first for other in second) / len(first) / len(second)


async def _compared(known: Callable[[], Awaitable[None]], unknown: Callable[[], Awaitable[None]]) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(SAMPLES):
        # By turns, so that whatever else the machine does befalls both alike.
        for ask, seconds in zip((known, unknown), times, strict=True):
            began = clock.monotonic()
            await ask()
            seconds.append(clock.monotonic() - began)
    return _share_of_longer(*times)


async def test_a_wrong_password_takes_as_long_as_an_unknown_name(client: httpx.AsyncClient, shop: Resources) -> None:
    for number in range(SAMPLES):
        await a_user(client, email=f"ada{number}@example.com", username=f"ada{number}")
    turns = {"ada": count(), "nobody": count()}

    async def ask(name: str) -> None:
        body = {"login": f"{name}{next(turns[name])}", "password": "not the password"}
        assert (await client.post(f"{API}/auth/login", json=body)).status_code == 401

    share = await _compared(lambda: ask("ada"), lambda: ask("nobody"))

    # Five standard deviations of chance; an answer without hashing would give 1.
    assert 0.17 < share < 0.83
    assert await shop.desk.passwords.check(PASSWORD, None) != await shop.desk.passwords.check(
        PASSWORD, await shop.desk.passwords.hash(PASSWORD)
    )


async def test_a_known_address_is_written_to_as_fast_as_an_unknown(client: httpx.AsyncClient) -> None:
    for number in range(SAMPLES):
        await a_user(client, email=f"ada{number}@example.com", username=f"ada{number}")
    turns = {"ada": count(), "nobody": count()}

    async def ask(name: str) -> None:
        body = {"email": f"{name}{next(turns[name])}@example.com"}
        assert (await client.post(f"{API}/auth/password/forgot", json=body)).status_code == 202

    share = await _compared(lambda: ask("ada"), lambda: ask("nobody"))

    assert 0.1 < share < 0.9
