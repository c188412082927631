"""Gives one effect and one answer to a request that is sent several times with the same `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
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
    replayed: bool = False


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

    async def perform(self, database: Database, work: Callable[[AsyncClientSession], Awaitable[T]]) -> Answer:
        """Run the work in a transaction that also stores the answer; return the stored one on a repeat.

        A repeat that arrives while the first still runs waits for it. Where the work refuses, nothing is stored:
        a repeat is judged anew.

        Raises:
            IdempotencyKeyReused: the key came with another request.
        """

        async def transaction(session: AsyncClientSession) -> Answer:
            claim = self.claim
            if claim is None:
                return self.render(await work(session))
            earlier = await IdempotencyKey.of(claim.id, session)
            if earlier is not None:
                if earlier.fingerprint != claim.fingerprint:
                    raise IdempotencyKeyReused("This Idempotency-Key was sent with another request before.")
                return Answer(earlier.status, earlier.headers, earlier.body, replayed=True)
            await IdempotencyKey.claim(claim.id, claim.fingerprint, at=clock.now(), session=session)
            answer = self.render(await work(session))
            await IdempotencyKey.store_answer(
                claim.id, status=answer.status, headers=answer.headers, body=answer.body, session=session
            )
            return answer

        try:
            return await database.run_in_transaction(transaction)
        except DuplicateKeyError:
            # The first request committed between our look and our claim; its answer is there now.
            return await database.run_in_transaction(transaction)
