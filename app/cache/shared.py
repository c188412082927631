"""Keeps finished answers in Redis for all replicas.

One hash per name holds the answers under that name, and a token. A fill takes the token on a miss, and stores only
while the same token is still there; an invalidation deletes hash and token together, so that a fill which began
before it is refused (leases: Nishtala et al., Scaling Memcache at Facebook, NSDI 2013).

Nothing is believed unless the key `valid` is there, which the watcher renews while it keeps up (`app.cache.watcher`):
a Redis that hung through an invalidation, or was cut off from a writer, is believed again only when the watcher has
made up for what was missed.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import orjson
from bson import Timestamp
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.cache.batching import Together
from app.cache.breaker import Breaker
from app.cache.commits import Commit
from app.cache.tags import EVERYTHING, Names, in_memory

KEPT_SECONDS: Final = 60
_TOLD_SECONDS: Final = 10
"""How long a note of a writer waits for the watcher, who comes within a fraction of one."""

_MOST_NOTES: Final = 50
_MAX_ANSWERS_PER_NAME: Final = 2000
"""Of more than these one, whichever, makes room: many different questions keep nobody's from being kept."""

_MAX_LOOKS: Final = 16
"""So many at most in one script: Redis serves nobody else while it runs."""

_VALID: Final = "valid"

_LOOK = """
local valid = redis.call('EXISTS', KEYS[1])
local replies = {}
for at = 2, #KEYS do
  local variant, fresh = ARGV[2 * at - 2], ARGV[2 * at - 1]
  local answer = redis.call('HGET', KEYS[at], variant)
  if answer then
    replies[at - 1] = {valid, answer, false}
  else
    local token = redis.call('HGET', KEYS[at], 'token')
    if not token then
      token = fresh
      redis.call('HSET', KEYS[at], 'token', token)
      redis.call('EXPIRE', KEYS[at], ARGV[1])
    end
    replies[at - 1] = {valid, false, token}
  end
end
return replies
"""

_FORGET = """
for at = 1, #KEYS do redis.call('UNLINK', KEYS[at]) end
if #ARGV > 1 then
  redis.call('PUBLISH', table.remove(ARGV, 1), cjson.encode(ARGV))
end
return 1
"""

_STORE = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then return 0 end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
  local other = redis.call('HRANDFIELD', KEYS[1])
  if other == 'token' then return 0 end
  redis.call('HDEL', KEYS[1], other)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


@dataclass(frozen=True)
class Look:
    """What Redis said, and whether it is to be believed: an answer; or a token to fill with; or, both None, nothing.

    A token that is to be believed was made after every change that was acknowledged before the look, so whoever took
    the same one has read since. Of others that can't be said: while nobody vouches for Redis, a writer who can't reach
    it answers, and leaves them.
    """

    answer: bytes | None = None
    believed: bool = False
    token: bytes | None = None


_NOTHING: Final = Look()


class SharedStore:
    """The answers in Redis. Every call returns within its time-outs; a failure is a miss for readers."""

    def __init__(self, url: str, *, patience: float = 0.15) -> None:
        """Make the client; it connects when first used, and waits so many seconds for a reply.

        Readers must not wait for a Redis that hangs. Who computes for long between two looks at the network needs more
        patience, or takes for lost what has come.
        """
        self.listeners: list[Callable[[Names], None]] = []
        """Who is to be told what this very process made Redis forget, whether Redis confirmed or not."""

        self._url = url
        # Connecting comes before asking: both together stay below the 0.3 s that one call may cost where Redis hangs.
        connecting = patience * 2 / 3
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=64,
            timeout=connecting,
            socket_timeout=patience,
            socket_connect_timeout=connecting,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
        )
        self._redis: Redis = Redis(connection_pool=pool)
        self._look = self._redis.register_script(_LOOK)
        self._store = self._redis.register_script(_STORE)
        self._forget = self._redis.register_script(_FORGET)
        self._channel = f"forgotten:{self._redis.connection_pool.connection_kwargs.get('db', 0)}"
        self._breaker = Breaker(pause=0.5)
        self._failures = 0
        self._made_up_for = 0
        self._looks = Together(self._look_at, at_most=_MAX_LOOKS)

    @property
    def is_doubted(self) -> bool:
        """Whether Redis has failed this process since it last gave an answer that was to be believed.

        It may have missed what changed meanwhile.
        """
        return self._failures != self._made_up_for

    async def look(self, name: str, variant: str) -> Look:
        """Return the answer under the name for this variant of the request, or the token to fill it with."""
        if self._breaker.is_open:
            return _NOTHING
        return await self._looks((name, variant))

    async def _look_at(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Look]:
        keys = (_VALID, *(_key(name) for name, _ in wanted))
        args = [part for _, variant in wanted for part in (variant, secrets.token_bytes(12))]
        failures = self._failures
        replies = await self._try(self._look(keys=keys, args=(KEPT_SECONDS, *args)))
        if replies is None:
            return [_NOTHING] * len(wanted)
        looks = [Look(answer, believed=bool(valid), token=token) for valid, answer, token in replies]
        if any(look.answer is not None and look.believed for look in looks):
            self._made_up_for = failures
        return looks

    async def fill(self, name: str, variant: str, *, token: bytes, answer: bytes) -> bool | None:
        """Store the answer unless the name was invalidated since the token was taken.

        Tell whether it was stored; None where Redis couldn't be reached.
        """
        args = (variant, token, answer, _MAX_ANSWERS_PER_NAME)
        stored = await self._try(self._store(keys=(_key(name),), args=args))
        return None if stored is None else bool(stored)

    async def forget(self, names: Names) -> bool:
        """Delete the answers and tokens under the names; tell whether Redis confirmed."""
        forgotten = await self._forget_names(names)
        for listener in self.listeners:
            listener(names)
        return forgotten

    async def _forget_names(self, names: Names) -> bool:
        if EVERYTHING in names:
            # The database is the cache's own; `valid` goes with the rest, and comes back with the watcher's next round.
            done = await self._try(self._redis.flushdb(asynchronous=True)) is not None
            await self._try(self._redis.publish(self._channel, orjson.dumps([EVERYTHING])))
            return done
        keys, args = [_key(name) for name in names], (self._channel, *in_memory(names))
        return await self._try(self._forget(keys=keys, args=args)) is not None

    async def note_told(self, commit: Commit, names: Names) -> None:
        """Note that what this commit changed under these names was forgotten here and at every edge."""
        key, note = _told(commit), orjson.dumps([commit.at.time, commit.at.inc, *names])
        noting = self._redis.pipeline(transaction=False)
        noting.lpush(key, note)
        noting.ltrim(key, 0, _MOST_NOTES - 1)
        noting.expire(key, _TOLD_SECONDS)
        await self._try(noting.execute())

    async def told(self, commits: Sequence[Commit]) -> Mapping[Commit, Names]:
        """Return the names under which what these commits changed is forgotten everywhere, as far as it is known.

        What was forgotten for a later commit of the same session was forgotten for an earlier one, too.
        """
        asking = self._redis.pipeline(transaction=False)
        for commit in commits:
            asking.lrange(_told(commit), 0, -1)
        known: dict[Commit, Names] = {}
        for commit, notes in zip(commits, await self._try(asking.execute()) or (), strict=False):
            names: set[str] = set()
            for seconds, increment, *told in map(orjson.loads, notes):
                if commit.at <= Timestamp(seconds, increment):
                    names.update(told)
            known[commit] = frozenset(names)
        return known

    async def forgotten(self) -> AsyncIterator[Names]:
        """Yield the names that replicas are to drop from their memories, as they are forgotten, for ever.

        The first are those that this replica can't know of: everything.

        Raises:
            RedisError, OSError: the connection broke; messages may have been lost.
        """
        # A connection of its own: between two messages it waits as long as it takes.
        async with Redis.from_url(self._url, socket_connect_timeout=1, protocol=3) as redis, redis.pubsub() as hearing:
            await hearing.subscribe(self._channel)
            yield frozenset({EVERYTHING})
            while True:
                message = await hearing.get_message(ignore_subscribe_messages=True, timeout=None)
                if message is not None:
                    yield frozenset(orjson.loads(message["data"]))

    async def believe(self, *, until: datetime) -> bool:
        """Let readers believe what is stored until then, and not longer even where Redis hears of it late."""
        return await self._try(self._redis.set(_VALID, 1, pxat=int(until.timestamp() * 1000))) is not None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _try(self, call: Awaitable[Any] | object) -> Any:
        awaitable = cast("Awaitable[Any]", call)
        if not self._breaker.lets_through:
            cast("Any", awaitable).close()
            return None
        try:
            reply = await awaitable
        except (RedisError, OSError, TimeoutError):
            self._breaker.failed()
            self._failures += 1
            return None
        self._breaker.succeeded()
        return reply


def _key(name: str) -> str:
    return f"answers:{name}"


def _told(commit: Commit) -> str:
    return f"told:{commit.session}"
