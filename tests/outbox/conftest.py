import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.events import Event
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent

Recorded = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def record(shop: Resources) -> Recorded:
    """Writes events down in one transaction; returns their ids."""

    async def recorded(*events: Event) -> list[str]:
        async def work(session: AsyncClientSession) -> list[str]:
            return [await OutboxEvent.add(event, session=session) for event in events]

        return await shop.database.run_in_transaction(work)

    return recorded


@pytest.fixture
def mails() -> Path:
    """Where the mail sink keeps what it took."""
    return Path(os.environ["BOOKSTORE_STATE_PROFILE"]) / "data" / "mail"
