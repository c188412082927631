"""A session that has ended lets nobody in: on every replica, and whatever becomes of Redis."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import httpx
import pytest

from app import clock
from app.cache.sessions import REMEMBERED_SECONDS, Sessions
from app.cache.shared import SharedStore
from app.cache.tags import of_session
from app.database import Database
from app.ids import USER, SessionId, new_id
from app.lifespan import Resources
from app.models.session import Session
from app.security import Role
from app.settings import Settings
from tests.api.test_problems import assert_problem
from tests.factories.accounts import PASSWORD, bearer, registration
from tests.factories.books import API
from tests.factories.own_redis import OwnRedis
from tests.race.farm import running_farm

GENEROUS: Final = 60
ME: Final = f"{API}/users/me"
_people = count()


# --- What a replica remembers, by a clock that the test turns -------------------------------------------------------


@dataclass
class Hand:
    """A clock that goes when it is told to."""

    seconds: float

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand(clock.monotonic())
    monkeypatch.setattr(clock, "monotonic", hand.monotonic)
    return hand


@pytest.fixture
async def sessions(own_redis: OwnRedis, shop: Resources) -> AsyncIterator[Sessions]:
    """A replica's look-up, over a Redis of its own that nobody vouches for."""
    shared = SharedStore(own_redis.url)
    yield Sessions(shared, database=shop.database)
    await shared.aclose()


async def _a_session(shop: Resources) -> SessionId:
    moment = clock.now()
    session = Session(
        user_id=new_id(USER), role=Role.CUSTOMER, refresh_hash=b"",
        rotated_at=moment, created_at=moment, expires_at=moment.replace(year=moment.year + 1, day=1),
    )  # fmt: skip
    await session.insert()
    return session.id


async def test_what_a_replica_remembers_is_good_for_a_second_and_no_longer(
    sessions: Sessions, shop: Resources, hand: Hand
) -> None:
    # given: seen alive, and ended behind the replica's back
    session_id = await _a_session(shop)
    assert await sessions.living(session_id) is not None
    await Session.find_one({"_id": session_id}).delete()

    # when, then
    assert REMEMBERED_SECONDS == 1.0
    hand.seconds += 0.999
    assert await sessions.living(session_id) is not None
    hand.seconds += 0.001
    assert await sessions.living(session_id) is None


async def test_being_used_prolongs_nothing(sessions: Sessions, shop: Resources, hand: Hand) -> None:
    session_id = await _a_session(shop)
    began = hand.seconds
    await sessions.living(session_id)
    await Session.find_one({"_id": session_id}).delete()

    seen = []
    for tenth in range(1, 12):
        hand.seconds = began + tenth / 10
        seen.append(await sessions.living(session_id) is not None)

    assert seen == [True] * 9 + [False] * 2


async def test_a_second_counts_from_before_the_look_and_not_from_its_answer(
    sessions: Sessions, shop: Resources, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that took long on its way is old when it comes."""
    session_id = await _a_session(shop)
    look = SharedStore.look

    async def slow(self: SharedStore, name: str, variant: str) -> Any:
        found = await look(self, name, variant)
        hand.seconds += 0.7
        return found

    monkeypatch.setattr(SharedStore, "look", slow)
    assert await sessions.living(session_id) is not None
    await Session.find_one({"_id": session_id}).delete()
    monkeypatch.setattr(SharedStore, "look", look)

    hand.seconds += 0.3
    assert await sessions.living(session_id) is None


async def test_what_is_told_to_be_forgotten_is_not_remembered_a_moment_longer(
    sessions: Sessions, shop: Resources, hand: Hand
) -> None:
    session_id = await _a_session(shop)
    await sessions.living(session_id)
    await Session.find_one({"_id": session_id}).delete()

    sessions.drop(frozenset({of_session(session_id)}))

    assert await sessions.living(session_id) is None


async def test_while_nobody_vouches_for_redis_a_look_from_before_the_end_is_not_joined(
    sessions: Sessions, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a look that has read the session, and takes long from there
    session_id = await _a_session(shop)
    read, land, looks = asyncio.Event(), asyncio.Event(), asyncio.Queue[Any]()
    fresh, look = Database.fresh, SharedStore.look

    async def slow(self: Database, reading: Any) -> Any:
        found = await fresh(self, reading)
        read.set()
        await land.wait()
        return found

    async def noted(self: SharedStore, name: str, variant: str) -> Any:
        looks.put_nowait(found := await look(self, name, variant))
        return found

    monkeypatch.setattr(Database, "fresh", slow)
    monkeypatch.setattr(SharedStore, "look", noted)
    first = asyncio.create_task(sessions.living(session_id))
    await read.wait()

    # when: the session is ended by who can't reach Redis
    await Session.find_one({"_id": session_id}).delete()
    second = asyncio.create_task(sessions.living(session_id))
    tokens = [(await looks.get()).token for _ in range(2)]
    land.set()

    # then
    assert (await first is not None, await second) == (True, None)
    assert tokens[0] == tokens[1] is not None


async def test_a_hung_redis_neither_lets_in_nor_keeps_out(
    sessions: Sessions, own_redis: OwnRedis, shop: Resources
) -> None:
    living, ended = await _a_session(shop), await _a_session(shop)
    own_redis.hang()
    await Session.find_one({"_id": ended}).delete()

    async with asyncio.timeout(GENEROUS):
        seen = [(await sessions.living(living) is not None, await sessions.living(ended)) for _ in range(20)]

    assert seen == [(True, None)] * 20
    own_redis.resume()


# --- Three replicas, each a process of its own ----------------------------------------------------------------------


@dataclass
class Three:
    """Three replicas over one MongoDB and a Redis that a test may hang."""

    replicas: list[httpx.AsyncClient]
    redis: OwnRedis

    async def signed_up(self) -> dict[str, Any]:
        """Register somebody, whom every replica has let in since."""
        name = f"ada-{next(_people)}-{id(self)}"
        body = registration(email=f"{name}@example.com", username=name)
        made = await self.replicas[0].post(f"{API}/auth/register", json=body)
        assert made.status_code == 201, made.text
        tokens: dict[str, Any] = made.json() | {"login": name}
        assert await self.seen(tokens) == [200] * 3
        return tokens

    async def seen(self, tokens: dict[str, Any]) -> list[int]:
        """What each replica says to this access token."""
        asked = (one.get(ME, headers=bearer(tokens["access_token"])) for one in self.replicas)
        return [answer.status_code for answer in await asyncio.gather(*asked)]

    async def is_out(self, tokens: dict[str, Any]) -> None:
        """Wait until every replica refuses the token; from then on none may take it again."""
        async with asyncio.timeout(GENEROUS):
            while await self.seen(tokens) != [401] * 3:
                await asyncio.sleep(0.02)
        assert [await self.seen(tokens) for _ in range(20)] == [[401] * 3] * 20

    async def are_out_within_a_second(self, *ended: dict[str, Any]) -> None:
        """Expect every replica to refuse all of these from a second after now on, at the first look."""
        await asyncio.sleep(1)  # the promise itself; later does no harm
        for tokens in ended:
            assert await self.seen(tokens) == [401] * 3

    async def refresh(self, replica: int, token: str) -> httpx.Response:
        """Exchange a refresh token at one of the replicas."""
        return await self.replicas[replica].post(f"{API}/auth/token/refresh", json={"refresh_token": token})


@pytest.fixture(scope="module")
async def three(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Three]:
    folder = tmp_path_factory.mktemp("three")
    redis = OwnRedis(folder)
    await redis.start()
    own = {"BOOKSTORE_CACHE_URL": redis.url}
    async with running_farm(settings, folder, environment=own, replicas=3) as farm:
        replicas = [httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) for url in farm.replica_urls]
        yield Three(replicas, redis)
        for one in replicas:
            await one.aclose()
    await redis.kill()


@pytest.mark.parametrize("replica", [0, 1, 2])
async def test_signing_out_at_one_replica_is_heard_by_all(three: Three, replica: int) -> None:
    tokens = await three.signed_up()

    answer = await three.replicas[replica].post(f"{API}/auth/logout", headers=bearer(tokens["access_token"]))

    assert answer.status_code == 204
    assert (await three.seen(tokens))[replica] == 401
    await three.is_out(tokens)


async def test_a_refresh_token_used_twice_ends_its_family_everywhere(three: Three) -> None:
    # given
    first = await three.signed_up()
    second = (await three.refresh(1, first["refresh_token"])).json()
    third = (await three.refresh(2, second["refresh_token"])).json()
    other = (
        await three.replicas[0].post(f"{API}/auth/login", json={"login": first["login"], "password": PASSWORD})
    ).json()
    assert await three.seen(third) == [200] * 3

    # when
    assert_problem(await three.refresh(0, first["refresh_token"]), 401, "invalid_token")

    # then
    await three.are_out_within_a_second(first, second, third)
    for replica in range(3):
        assert_problem(await three.refresh(replica, third["refresh_token"]), 401, "invalid_token")
    assert await three.seen(other) == [200] * 3


async def test_one_refresh_token_sent_to_all_replicas_at_once_has_one_successor(three: Three) -> None:
    tokens = await three.signed_up()

    for _ in range(10):
        old = tokens["refresh_token"]
        answers = await asyncio.gather(*(three.refresh(number % 3, old) for number in range(12)))
        assert [answer.status_code for answer in answers] == [200] * 12, [answer.text for answer in answers]
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        tokens = answers[-1].json()

    assert await three.seen(tokens) == [200] * 3


async def test_of_a_thief_and_an_owner_at_once_nobody_keeps_a_session(three: Three) -> None:
    """An older token beside the one that holds: whatever comes first, the family ends."""
    for _ in range(5):
        first = await three.signed_up()
        second = (await three.refresh(0, first["refresh_token"])).json()
        third = (await three.refresh(1, second["refresh_token"])).json()

        stolen = [first["refresh_token"]] * 3
        answers = await asyncio.gather(
            *(three.refresh(number % 3, token) for number, token in enumerate([*stolen, third["refresh_token"]]))
        )

        assert [answer.status_code for answer in answers[:3]] == [401] * 3
        last = answers[3].json() if answers[3].status_code == 200 else third
        await three.is_out(last)
        assert_problem(await three.refresh(2, last["refresh_token"]), 401, "invalid_token")


async def test_with_redis_hung_sessions_live_and_end_all_the_same(three: Three) -> None:
    # given
    stays, goes = await three.signed_up(), await three.signed_up()
    three.redis.hang()
    try:
        # when
        assert await three.seen(stays) == [200] * 3
        answer = await three.replicas[0].post(f"{API}/auth/logout", headers=bearer(goes["access_token"]))

        # then
        assert answer.status_code == 204
        await three.are_out_within_a_second(goes)
        assert await three.seen(stays) == [200] * 3
    finally:
        three.redis.resume()
    # What Redis held of it while it hung is not believed either.
    await three.is_out(goes)
    assert await three.seen(stays) == [200] * 3
