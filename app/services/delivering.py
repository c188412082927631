"""Delivers events to those who wait for them: in order for one subject, at once for many (docs/adr/0008)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from pymongo.errors import PyMongoError

from app import clock
from app.cache.batching import Together
from app.database import Database
from app.errors import DeadlineExceeded, DependencyUnavailable
from app.mail.postman import LONGEST_SECONDS
from app.models.outbox_event import LEASE, OutboxEvent

logger: Final = logging.getLogger("bookstore.outbox")

Consumer = Callable[[Database, OutboxEvent], Awaitable[None]]
"""Does what has to be done about an event. May run more than once for one; the event's id tells a repeat."""

PATIENCE: Final = LEASE - timedelta(seconds=2)
"""A consumer is stopped when so much of a lease is over: before it ends, so that two never work on one event."""

_RENEWED_SECONDS: Final = 4.0
"""The lease of a consumer that is at it for so long is renewed, again and again."""

_ROUND_SECONDS: Final = 15.0
"""After this long a subject with many events lets others have a turn; the relay rings for it again."""

_PAUSE_SECONDS: Final = 0.02
"""A death in here repeats what was done in it; and one write for several costs hardly more than for one."""

_LONGEST_REST_SECONDS: Final = 5 * 60
_GIVEN_UP_AFTER: Final = timedelta(days=3)
"""As mail servers do: a server that is away comes back within days."""

_STUMBLES_AT_POISON: Final = 8
"""About four minutes: a mistake of ours doesn't go away by itself, but what it stumbled over may."""

_AWAY: Final = (OSError, PyMongoError, DependencyUnavailable, DeadlineExceeded)
"""Somebody else's trouble, which ends. `OSError` is also a time-out."""


class Undeliverable(Exception):
    """Nobody will ever take this: trying again is useless."""


async def deliver(database: Database, subjects: Sequence[str], *, consumers: Mapping[str, Consumer]) -> None:
    """Deliver what waits for these subjects, the oldest of each at once, then the next of those that had one.

    Harmless when nothing does, or when another worker is at it.
    """
    end = clock.monotonic() + _ROUND_SECONDS
    waiting: Sequence[str] = subjects
    try:
        while waiting and clock.monotonic() < end:
            until = clock.monotonic() + PATIENCE.total_seconds()
            events = await OutboxEvent.take_oldest(waiting, now=clock.now())
            heard = Together(_note, at_most=len(subjects), pause=lambda: _PAUSE_SECONDS)
            delivering = [_deliver_event(database, event, consumers, heard, until=until) for event in events]
            for outcome in await asyncio.gather(*delivering, return_exceptions=True):
                if outcome is not None:
                    raise outcome
            waiting = [event.subject for event in events]
    except PyMongoError as error:
        # What was taken is free again when its lease ends, and rung for.
        logger.warning("delivery interrupted", extra={"subjects": waiting, "error": str(error)[:200]})


async def _note(events: Sequence[OutboxEvent]) -> Sequence[None]:
    await OutboxEvent.deliver(events, at=clock.now())
    return [None] * len(events)


async def _deliver_event(
    database: Database,
    event: OutboxEvent,
    consumers: Mapping[str, Consumer],
    heard: Together[OutboxEvent, None],
    *,
    until: float,
) -> None:
    told = {"event": event.id, "kind": event.kind, "subject": event.subject, "attempt": event.attempts}
    try:
        # Taking it may have taken a part of the lease: an election goes on for seconds.
        async with _while_it_is_ours(event, until=until):
            await consumers[event.kind](database, event)
    except Undeliverable as error:
        logger.error("event failed", extra=told | {"error": _spoken(error)})  # noqa: TRY400  what a mail server said needs no trace
        await event.give_up(_spoken(error))
    except _AWAY as error:
        logger.warning("event put off", extra=told | {"error": _spoken(error)})
        await _again(event, error, last=clock.now() - event.at > _GIVEN_UP_AFTER)
    except Exception as error:
        logger.exception("event stumbled", extra=told)
        await _again(event, error, stumbled=True, last=event.stumbles + 1 >= _STUMBLES_AT_POISON)
    else:
        await heard(event)
        logger.info("event delivered", extra=told)


@asynccontextmanager
async def _while_it_is_ours(event: OutboxEvent, *, until: float) -> AsyncIterator[None]:
    """Stop the block at `until`, on `clock.monotonic()`, unless the lease is renewed by then.

    Raises:
        TimeoutError: it was stopped.
    """
    async with asyncio.timeout(until - clock.monotonic()) as limit:
        keeping = asyncio.create_task(_keep(event, limit))
        try:
            yield
        finally:
            keeping.cancel()


async def _keep(event: OutboxEvent, limit: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    latest = loop.time() + LONGEST_SECONDS  # nothing that is done about an event takes longer than a letter
    while True:
        await asyncio.sleep(_RENEWED_SECONDS)
        asked = loop.time()
        try:
            if not await event.keep(now=clock.now()) or limit.expired():
                return
        except PyMongoError as error:
            logger.warning("lease not renewed", extra={"event": event.id, "error": str(error)[:200]})
            continue
        limit.reschedule(min(asked + PATIENCE.total_seconds(), latest))


async def _again(event: OutboxEvent, error: Exception, *, last: bool, stumbled: bool = False) -> None:
    if last:
        await event.give_up(_spoken(error))
    else:
        rest = timedelta(seconds=min(2**event.attempts, _LONGEST_REST_SECONDS))
        await event.put_off(_spoken(error), until=clock.now() + rest, stumbled=stumbled)


def _spoken(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
