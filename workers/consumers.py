"""Says who hears of which kind of event."""

from collections.abc import Mapping
from typing import get_args

from app.database import Database
from app.events import Kind
from app.models.outbox_event import OutboxEvent
from app.services.delivering import Consumer
from app.services.hearing import heed
from app.services.notifying import notifications
from app.settings import Settings
from workers import runtime


async def _nobody(_: Database, __: OutboxEvent) -> None:
    """Recorded for its own sake."""


async def _settle_payment(_: Database, event: OutboxEvent) -> None:
    await heed(runtime.till(), event.subject, notice=str(event.data.get("notice", "")))


def consumers(settings: Settings) -> Mapping[str, Consumer]:
    """Return the consumer for every kind."""
    everybody: dict[str, Consumer] = dict.fromkeys(get_args(Kind), _nobody)
    everybody.update(notifications(settings))
    everybody["payment.unsettled"] = _settle_payment
    return everybody
