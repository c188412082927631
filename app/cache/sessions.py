"""Tells whether a session lives: from this replica's memory, from Redis, from MongoDB; and never without knowing.

Redis is believed as for the catalogue's answers (`app.cache.shared`): whoever ends a session makes Redis forget it
before answering, or waits until nobody believes Redis. A replica remembers what it heard for a second at most, and
drops it as soon as Redis says that it was forgotten there.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from redis.exceptions import RedisError

from app import clock
from app.cache.flights import Flights
from app.cache.shared import SharedStore
from app.cache.tags import EVERYTHING, of_session
from app.database import Database
from app.ids import SessionId, UserId
from app.models.session import Session
from app.security import Role

logger: Final = logging.getLogger("bookstore.cache")

REMEMBERED_SECONDS: Final = 1.0
_MOST_REMEMBERED: Final = 10_000
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True)
class LivingSession:
    """What a request needs to know of its session."""

    user_id: UserId
    role: Role
    expires_at: datetime

    def packed(self) -> bytes:
        """Return it as bytes for Redis."""
        return orjson.dumps([self.user_id, self.role, self.expires_at.timestamp()])


class Sessions:
    """Looks sessions up."""

    def __init__(self, shared: SharedStore, *, database: Database) -> None:
        """Take what stands behind this replica's memory."""
        self._shared = shared
        self._database = database
        self._flights: Flights[LivingSession | None] = Flights()
        self._remembered: dict[str, tuple[float, LivingSession]] = {}
        self._drops = 0
        shared.listeners.append(self.drop)

    async def living(self, session_id: SessionId) -> LivingSession | None:
        """Return the session if it lives.

        Raises:
            PyMongoError: neither Redis nor MongoDB could tell.
        """
        name, began = of_session(session_id), clock.monotonic()
        since, session = self._remembered.get(name, (0.0, None))
        if session is None or began - since >= REMEMBERED_SECONDS:
            drops = self._drops
            session = await self._look(name, session_id)
            # What was on its way while something was dropped may be what was dropped.
            if session is not None and drops == self._drops:
                self._remember(name, began, session)
        return session if session is not None and session.expires_at > clock.now() else None

    def _remember(self, name: str, at: float, session: LivingSession) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[name] = at, session

    async def _look(self, name: str, session_id: SessionId) -> LivingSession | None:
        look = await self._shared.look(name, "")
        if look.answer is not None and look.believed:
            return _unpacked(look.answer)

        async def read() -> LivingSession | None:
            found = await self._database.fresh(lambda: Session.get(session_id))
            session = LivingSession(found.user_id, found.role, found.expires_at) if found else None
            if look.token is not None:
                await self._shared.fill(name, "", token=look.token, answer=session.packed() if session else b"null")
            return session

        return await self._flights.join((name, look.token), read, running_will_do=look.believed)

    async def run(self) -> None:
        """Drop what was forgotten, for as long as the replica lives."""
        while True:
            try:
                async for names in self._shared.forgotten():
                    self.drop(names)
            except (RedisError, OSError) as error:
                logger.info("doesn't hear what is forgotten", extra={"error": str(error)[:200]})
            await asyncio.sleep(_PAUSE_SECONDS)

    def drop(self, names: frozenset[str]) -> None:
        """Drop what is remembered under these names."""
        self._drops += 1
        if EVERYTHING in names:
            self._remembered.clear()
        for name in names:
            self._remembered.pop(name, None)


def _unpacked(raw: bytes) -> LivingSession | None:
    if raw == b"null":
        return None
    user_id, role, expires_at = orjson.loads(raw)
    return LivingSession(UserId(user_id), Role(role), clock.moment(expires_at))
