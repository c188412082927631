"""Holds what moving money needs: the database with what makes its commits visible, and the gateway."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession

from app.auditing import audited
from app.idempotency import Attempt, Writer
from app.payments.attaching import Attachments
from app.payments.gateway import Gateway

T = TypeVar("T")


@dataclass(frozen=True)
class Till:
    """Where money is taken and given back. The gateway is asked before or after a transaction, never within one."""

    writer: Writer
    gateway: Gateway

    @cached_property
    def attachments(self) -> Attachments:
        """What notes intents."""
        return Attachments(self.writer.database)

    async def commit(self, work: Callable[[Attempt], Awaitable[T]]) -> T:
        """Run the work in a transaction, and return when its commit is visible to everybody."""
        last: list[Attempt] = []

        async def transaction(session: AsyncClientSession) -> T:
            last[:] = [Attempt(session)]
            return await audited(session, lambda: work(last[0]))

        result = await self.writer.database.run_in_transaction(transaction)
        await self.writer.invalidator.touch(frozenset(last[0].touched), commit=last[0].commit)
        return result
