"""Looks those up who sign in at the same time, and opens their sessions, together.

A commit on a majority costs about as much for one as for ten. Where people wait for their passwords to be checked, who
is through waits a moment for the next ones, and the time that their commits would take goes into checking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.cache.batching import Together
from app.database import Database
from app.models.session import Session
from app.models.user import User
from app.passwords import Passwords

_AT_MOST: Final = 32
_PAUSE_SECONDS: Final = 0.12
"""Far less than the line for a hashing thread takes, where there is one."""


@dataclass(frozen=True)
class Admission:
    """Somebody whose password was right, as the user was read before it was checked, and the session to open."""

    user: User
    session: Session
    new_hash: str | None


class _NotAll(Exception):
    """Somebody's account has changed since; nothing may be committed."""


class Admissions:
    """Opens sessions, all or none of those that come together."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        """Take where sessions are kept, and whom they wait for."""
        self._database = database
        self._looks = Together(self._look, at_most=_AT_MOST)
        self._together = Together(
            self._commit, at_most=_AT_MOST, pause=lambda: _PAUSE_SECONDS if passwords.is_crowded else 0.0
        )

    async def user_of(self, login: str) -> User | None:
        """Return whose e-mail address or username this is.

        Raises:
            PyMongoError: nobody could tell.
        """
        return await self._looks(login)

    async def _look(self, logins: Sequence[str]) -> Sequence[User | None]:
        return await self._database.fresh(lambda: User.of_logins(logins))

    async def admit(self, admission: Admission) -> bool:
        """Tell whether the session was opened, on a majority. If not, nothing happened: try it alone.

        Raises:
            NoPrimary, DeadlineExceeded, DependencyUnavailable: the outcome is unknown.
        """
        return await self._together(admission)

    async def _commit(self, admissions: Sequence[Admission]) -> Sequence[bool]:
        async def transaction(session: AsyncClientSession) -> None:
            signed_in = [(one.user, one.new_hash) for one in admissions]
            if not await User.note_sign_ins(signed_in, at=clock.now(), session=session):
                raise _NotAll
            await Session.open_all([one.session for one in admissions], session=session)

        try:
            await self._database.run_in_transaction(transaction)
        except (_NotAll, DuplicateKeyError):
            return [False] * len(admissions)
        return [True] * len(admissions)
