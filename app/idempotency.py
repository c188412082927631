"""Gives one effect and one answer to a request that is sent several times with the same `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.auditing import audited
from app.cache.commits import Commit, session_of
from app.cache.invalidation import Invalidator
from app.cache.tags import Names
from app.database import Database
from app.errors import BookstoreError, IdempotencyKeyReused
from app.models.idempotency_key import IdempotencyKey
from app.sealing import Seal

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A finished answer: what is stored under the key, byte by byte."""

    status: int
    headers: dict[str, str]
    body: bytes
    touches: Names = frozenset()
    unfinished: str | None = None
    """What is still to be done outside the transaction before this can be given: the id of what it is done for."""
    replayed: bool = False


@dataclass
class Attempt:
    """One run of a use case's transaction: its session, and which cached answers it makes stale."""

    session: AsyncClientSession
    touched: set[str] = field(default_factory=set)
    _session_name: str = field(init=False)

    def __post_init__(self) -> None:
        """Keep the session's name, which outlasts it."""
        self._session_name = session_of(self.session)

    @property
    def commit(self) -> Commit | None:
        """What it has become; asked when it is committed."""
        at = self.session.operation_time
        return Commit(self._session_name, at) if at is not None else None

    def touch(self, names: Names) -> None:
        """Note that the cached answers under these names are stale once this attempt is committed."""
        self.touched |= names


@dataclass(frozen=True)
class Writer:
    """What every change is made with: the database, and what makes a commit visible."""

    database: Database
    invalidator: Invalidator


@dataclass(frozen=True)
class Claim:
    """An idempotency key with whose it is, and a digest of the request that it was first sent with."""

    key: str
    principal: str
    fingerprint: str
    seal: Seal
    """Opens to who sends the key again alone: answers name people, and outlive their accounts."""

    @property
    def id(self) -> str:
        """What the key is stored under: keys of different principals never meet."""
        return hashlib.sha256(f"{self.principal}\x00{self.key}".encode()).hexdigest()

    def closed(self, body: bytes) -> bytes:
        """Return what is stored of an answer's body."""
        return self.seal.close(body, about=self.id)

    def opened(self, stored: bytes) -> bytes:
        """Return an answer's body from what was stored."""
        return self.seal.open(stored, about=self.id)


@dataclass(frozen=True)
class SentKey:
    """An idempotency key before it is known whose it is."""

    key: str
    fingerprint: str
    secret: bytes

    def of(self, principal: str) -> Claim:
        """Return the claim of this principal."""
        return Claim(self.key, principal, self.fingerprint, Seal(self.secret, self.key))


@dataclass(frozen=True)
class Once(Generic[T]):
    """Runs a use case's transaction at most once per claim; without a claim, every time."""

    claim: Claim | None
    render: Callable[[T], Answer]

    async def perform(
        self,
        writer: Writer,
        work: Callable[[Attempt], Awaitable[T]],
        *,
        in_turn: Iterable[str] = (),
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> Answer:
        """Run the work in a transaction that also stores the answer; return the stored one on a repeat.

        `in_turn` names what many may want to write at once, and `admit` is asked after a wait for it
        (`Database.run_in_transaction`).

        Returns when the commit is visible to everybody, cached or not; also on a repeat, since the process that
        committed may have died before it got that far. A repeat that arrives while the first still runs waits for it.
        Where the work refuses, nothing is stored: a repeat is judged anew.

        Most keys are new, so the first attempt doesn't look for an answer: where there is one, the claim is refused,
        or the work is, by what the first request did. Then the next attempt looks before it does anything.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """
        looks = refused = False
        attempt: Attempt | None = None

        async def transaction(session: AsyncClientSession) -> Answer:
            nonlocal looks, refused, attempt
            attempt = None
            earlier = await self.earlier(session) if looks else None
            if earlier is not None:
                return earlier
            looks = True  # whoever starts over does so since somebody else wrote: this very request, perhaps
            try:
                attempt = Attempt(session)
                return await self._attempt(attempt, work)
            except BookstoreError:
                refused = True
                raise

        turns = [*in_turn, *([f"key {self.claim.id}"] if self.claim else [])]
        try:
            answer = await writer.database.run_in_transaction(transaction, in_turn=turns, admit=admit, refusable=True)
        except (DuplicateKeyError, BookstoreError) as error:
            if isinstance(error, BookstoreError) and not (refused and self.claim):
                raise
            # In a transaction of its own: it sees whatever the refusing one saw.
            answer = await writer.database.run_in_transaction(transaction, in_turn=turns, admit=admit, refusable=True)
        await writer.invalidator.touch(answer.touches, commit=attempt.commit if attempt else None)
        return answer

    async def earlier(self, session: AsyncClientSession | None = None) -> Answer | None:
        """Return the answer that is stored under the key, if one is.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """
        if self.claim is None:
            return None
        stored = await IdempotencyKey.of(self.claim.id, session)
        if stored is None:
            return None
        if stored.fingerprint != self.claim.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was sent with another request before.")
        return Answer(
            stored.status,
            stored.headers,
            self.claim.opened(stored.body),
            frozenset(stored.touches),
            unfinished=stored.unfinished,
            replayed=True,
        )

    async def replay(self, writer: Writer) -> Answer | None:
        """Return the answer that is stored under the key, if one is, when its commit is visible: as `perform` does.

        For what counts or checks something before its transaction: a repeat must not meet that.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """
        if self.claim is None:
            return None
        answer = await writer.database.fresh(self.earlier)
        if answer is not None:
            await writer.invalidator.touch(answer.touches)
        return answer

    async def finish(self, answer: Answer, body: bytes) -> Answer:
        """Put the last part into an unfinished answer; whoever does so first decides it for all.

        The answer to give is returned: the one that is stored.
        """
        if self.claim is None:
            return replace(answer, body=body, unfinished=None)
        stored = await IdempotencyKey.finish(self.claim.id, self.claim.closed(body))
        return replace(answer, body=self.claim.opened(stored), unfinished=None)

    async def _attempt(self, attempt: Attempt, work: Callable[[Attempt], Awaitable[T]]) -> Answer:
        # Work and claim see one snapshot, and the claim's unique id lets only one of two commit.
        answer = replace(
            self.render(await audited(attempt.session, lambda: work(attempt))), touches=frozenset(attempt.touched)
        )
        if self.claim is not None:
            await IdempotencyKey.claim(
                self.claim.id,
                self.claim.fingerprint,
                status=answer.status,
                headers=answer.headers,
                body=self.claim.closed(answer.body),
                touches=sorted(answer.touches),
                unfinished=answer.unfinished,
                at=clock.now(),
                session=attempt.session,
            )
        return answer
