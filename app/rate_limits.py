"""Counts what people do, and stops them for a while where it is too much: per account and per address, everywhere.

A sliding window: of each act Redis keeps when it was, for as long as the window is. Every replica counts what it lets
through itself, too: that holds where Redis is away.
"""

import ipaddress
import logging
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from app import clock
from app.cache.batching import Together
from app.cache.breaker import Breaker
from app.errors import RateLimited
from app.settings import Settings

logger: Final = logging.getLogger("bookstore.limits")

_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function take(act, first, last)
  local left, tightest, wait, reached = math.huge, first, 0, first
  for at = first, last do
    local quota, window = tonumber(ARGV[3 * at - 1]), tonumber(ARGV[3 * at])
    redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now - window)
    local used = redis.call('ZCARD', KEYS[at])
    if used >= quota then
      local oldest = redis.call('ZRANGE', KEYS[at], used - quota, used - quota, 'WITHSCORES')
      local its = tonumber(oldest[2]) + window - now
      if its > wait then wait, reached = its, at end
    end
    if quota - used - 1 < left then left, tightest = quota - used - 1, at end
  end
  if wait > 0 then return {-1, wait, reached - first} end
  for at = first, last do
    redis.call('ZADD', KEYS[at], now, act)
    redis.call('PEXPIRE', KEYS[at], ARGV[3 * at])
  end
  return {left, 0, tightest - first}
end
local replies, first = {}, 1
while first <= #KEYS do
  local act, last = ARGV[3 * first - 2], first
  while ARGV[3 * last + 1] == act do last = last + 1 end
  replies[#replies + 1] = take(act, first, last)
  first = last + 1
end
return replies
"""

_GIVE_BACK: Final = """
for at = 1, #KEYS do redis.call('ZREM', KEYS[at], ARGV[at]) end
"""

_PREFIX: Final = "limit:"
_MOST_COUNTED_HERE: Final = 10_000
_MOST_AT_ONCE: Final = 32
"""Acts in one script: Redis serves nobody else while it runs."""


@dataclass(frozen=True)
class Limit:
    """At most so many in so many seconds, of something that has a name."""

    name: str
    quota: int
    seconds: int

    @classmethod
    def spelt(cls, name: str, text: str) -> "Limit":
        """Return the limit that a setting such as `10/300` spells: ten in five minutes."""
        quota, _, seconds = text.partition("/")
        return cls(name, int(quota), int(seconds))


@dataclass(frozen=True)
class Taken:
    """What was counted: give it back, and it counts no longer."""

    limits: Sequence[tuple[Limit, str]]
    act: str
    left: int
    tightest: Limit | None
    """Of which so many are left."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What a client should know of it (draft-ietf-httpapi-ratelimit-headers)."""
        limit = self.tightest
        return told(limit, left=self.left, seconds=limit.seconds) if limit else {}


def told(limit: Limit, *, left: int, seconds: int) -> Mapping[str, str]:
    """Return the header fields that tell a limit and what is left of it."""
    return {
        "RateLimit-Policy": f'"{limit.name}";q={limit.quota};w={limit.seconds}',
        "RateLimit": f'"{limit.name}";r={left};t={seconds}',
    }


@dataclass(frozen=True)
class _Count:
    """How many more acts are let through, -1 where this one isn't; how long to wait then, in ms; under which limit."""

    left: int
    wait: int
    which: int


_Wanted = tuple[Sequence[tuple[Limit, str]], str]
"""What an act is to be counted under, and the act."""


class RateLimits:
    """Counts in Redis, or here."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; it connects when first used."""
        pool = BlockingConnectionPool.from_url(
            settings.counting_url,
            max_connections=64,
            timeout=0.2,
            socket_timeout=0.3,
            socket_connect_timeout=0.2,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
        )
        self._redis: Redis = Redis(connection_pool=pool)
        self._take = self._redis.register_script(_TAKE)
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._takes = Together(self._take_all, at_most=_MOST_AT_ONCE)
        self._returns = Together(self._give_back_all, at_most=_MOST_AT_ONCE)
        self._breaker = Breaker(pause=0.5)
        self._here: dict[str, deque[tuple[float, str]]] = {}
        self._exempt = [ipaddress.ip_network(one) for one in settings.unlimited_addresses.split()]

    def of_address(self, limit: Limit, address: str | None) -> list[tuple[Limit, str]]:
        """Return whom to count an act from this address for: nobody where it is exempt. Of IPv6 a network is one."""
        if address is None:
            return [(limit, "unknown")]
        parsed = ipaddress.ip_address(address)
        if any(parsed in network for network in self._exempt):
            return []
        network = ipaddress.ip_network((parsed, 64 if parsed.version == 6 else 32), strict=False)  # noqa: PLR2004
        return [(limit, str(network))]

    async def take(self, *limits: tuple[Limit, str]) -> Taken:
        """Count one act under each of the limits, for whom it names; where one is reached, under none.

        Raises:
            RateLimited: with how long to wait.
        """
        if not limits:
            return Taken((), "", 0, None)
        act = secrets.token_hex(8)
        # Counted here as well, so that a Redis that comes and goes gives nobody more than one that stays away.
        count = self._take_here(limits, act)
        there = await self._take_there(limits, act) if count.left >= 0 else None
        if there is not None and there.left <= count.left:
            count = there
            if count.left < 0:
                self._forget_here(limits, act)
        limit = limits[count.which][0]
        if count.left < 0:
            seconds = max(1, -(-count.wait // 1000))
            raise RateLimited(
                "Too many attempts; wait a moment.", retry_after=seconds, told=told(limit, left=0, seconds=seconds)
            )
        return Taken(limits, act, count.left, limit)

    async def give_back(self, taken: Taken) -> None:
        """Count it no longer."""
        self._forget_here(taken.limits, taken.act)
        if taken.limits and not self._breaker.is_open:
            await self._returns(taken)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _take_there(self, limits: Sequence[tuple[Limit, str]], act: str) -> _Count | None:
        return None if self._breaker.is_open else await self._takes((limits, act))

    async def _take_all(self, wanted: Sequence[_Wanted]) -> Sequence[_Count | None]:
        keys = [_key(limit, who) for limits, _ in wanted for limit, who in limits]
        args = [of for limits, act in wanted for limit, _ in limits for of in (act, limit.quota, limit.seconds * 1000)]
        replies = await self._try(self._take, keys, args)
        return [None] * len(wanted) if replies is None else [_Count(*map(int, reply)) for reply in replies]

    async def _give_back_all(self, acts: Sequence[Taken]) -> Sequence[None]:
        keys = [_key(limit, who) for taken in acts for limit, who in taken.limits]
        await self._try(self._give_back, keys, [taken.act for taken in acts for _ in taken.limits])
        return [None] * len(acts)

    async def _try(self, script: AsyncScript, keys: list[str], args: list[str | int]) -> Any:
        if not self._breaker.lets_through:
            return None
        try:
            reply = await script(keys=keys, args=args)
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            logger.warning("attempts are counted by this replica alone", extra={"error": type(error).__name__})
            return None
        self._breaker.succeeded()
        return reply

    def _take_here(self, limits: Sequence[tuple[Limit, str]], act: str) -> _Count:
        now = clock.monotonic()
        if len(self._here) > _MOST_COUNTED_HERE:
            # Who floods us with names pushes out the oldest: Redis counts on.
            for key in list(self._here)[: _MOST_COUNTED_HERE // 10]:
                del self._here[key]
        left, tightest, wait, reached = limits[0][0].quota, 0, 0.0, 0
        for which, (limit, who) in enumerate(limits):
            acts = self._here.get(_key(limit, who), deque())
            while acts and now - acts[0][0] >= limit.seconds:
                acts.popleft()
            if limit.quota - len(acts) - 1 < left:
                left, tightest = limit.quota - len(acts) - 1, which
            if len(acts) >= limit.quota and (its := acts[len(acts) - limit.quota][0] + limit.seconds - now) > wait:
                wait, reached = its, which
        if wait > 0:
            return _Count(-1, int(wait * 1000), reached)
        for limit, who in limits:
            self._here.setdefault(_key(limit, who), deque()).append((now, act))
        return _Count(left, 0, tightest)

    def _forget_here(self, limits: Sequence[tuple[Limit, str]], act: str) -> None:
        for key in (_key(limit, who) for limit, who in limits):
            left = deque(one for one in self._here.pop(key, ()) if one[1] != act)
            if left:
                self._here[key] = left


def _key(limit: Limit, who: str) -> str:
    return f"{_PREFIX}{limit.name}:{who}"
