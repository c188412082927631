"""Gives one effect and one answer to a request that is sent several times with the same `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.cache.invalidation import Invalidator
from app.cache.tags import Names
from app.database import Database
from app.errors import IdempotencyKeyReused
from app.models.idempotency_key import IdempotencyKey

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A finished answer: what is stored under the key, byte by byte."""

    status: int
    headers: dict[str, str]
    body: bytes
    touches: Names = frozenset()
    replayed: bool = False


@dataclass
class Attempt:
    """One run of a use case's transaction: its session, and which cached answers it makes stale."""

    session: AsyncClientSession
    touched: set[str] = field(default_factory=set)

    def touch(self, names: Names) -> None:
        """Note that the cached answers under these names are stale once this attempt is committed."""
        self.touched |= names


@dataclass(frozen=True)
class Writer:
    """What changes the catalogue: the database, and what makes a commit visible."""

    database: Database
    invalidator: Invalidator


@dataclass(frozen=True)
class Claim:
    """An idempotency key with whose it is, and a digest of the request that it was first sent with."""

    key: str
    principal: str
    fingerprint: str

    @property
    def id(self) -> str:
        """What the key is stored under: keys of different principals never meet."""
        return hashlib.sha256(f"{self.principal}\x00{self.key}".encode()).hexdigest()


@dataclass(frozen=True)
class Once(Generic[T]):
    """Runs a use case's transaction at most once per claim; without a claim, every time."""

    claim: Claim | None
    render: Callable[[T], Answer]

    async def perform(self, writer: Writer, work: Callable[[Attempt], Awaitable[T]]) -> Answer:
        """Run the work in a transaction that also stores the answer; return the stored one on a repeat.

        Returns when the commit is visible to everybody, cached or not; also on a repeat, since the process that
        committed may have died before it got that far. A repeat that arrives while the first still runs waits for it.
        Where the work refuses, nothing is stored: a repeat is judged anew.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """

        async def transaction(session: AsyncClientSession) -> Answer:
            return await self._attempt(Attempt(session), work)

        try:
            answer = await writer.database.run_in_transaction(transaction)
        except DuplicateKeyError:
            # The first request committed between our look and our claim; its answer is there now.
            answer = await writer.database.run_in_transaction(transaction)
        await writer.invalidator.touch(answer.touches)
        return answer

    async def _attempt(self, attempt: Attempt, work: Callable[[Attempt], Awaitable[T]]) -> Answer:
        claim, session = self.claim, attempt.session
        if claim is None:
            return self._answer(await work(attempt), attempt)
        earlier = await IdempotencyKey.of(claim.id, session)
        if earlier is not None:
            if earlier.fingerprint != claim.fingerprint:
                raise IdempotencyKeyReused("This Idempotency-Key was sent with another request before.")
            return Answer(earlier.status, earlier.headers, earlier.body, frozenset(earlier.touches), replayed=True)
        await IdempotencyKey.claim(claim.id, claim.fingerprint, at=clock.now(), session=session)
        answer = self._answer(await work(attempt), attempt)
        await IdempotencyKey.store_answer(
            claim.id,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            touches=sorted(answer.touches),
            session=session,
        )
        return answer

    def _answer(self, result: T, attempt: Attempt) -> Answer:
        return replace(self.render(result), touches=frozenset(attempt.touched))
