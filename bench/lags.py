"""How long after its cause an event was delivered, and its letter in the mailbox."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import MongoClient
from pymongo.collection import Collection

from bench.shop import Shop
from stack.errors import StackError
from stack.mailbox import mails_in

_PATIENCE_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 0.2
_KIND: Final = "order.paid"


@dataclass(frozen=True)
class Lags:
    """Of each paid order, in seconds after its commit: when its event was delivered, and when its letter arrived."""

    events: list[float]
    letters: list[float]

    @property
    def worst(self) -> tuple[float, float]:
        """The 99th percentiles: of events, and of letters."""
        return _p99(self.events), _p99(self.letters)


def lags_since(shop: Shop, moment: datetime) -> Lags:
    """Wait until everything that happened since then was delivered, and return how long it took.

    Raises:
        StackError: it doesn't come to an end.
    """
    environment = shop.stack.environment
    with MongoClient[dict[str, Any]](environment["BOOKSTORE_MONGO_URL"], tz_aware=True) as client:
        rows = client[environment["BOOKSTORE_MONGO_DATABASE"]]["outbox_events"]
        until = time.monotonic() + _PATIENCE_SECONDS
        # What was asked for last may still be paid when nothing waits: then its event comes after the others.
        while not (found := _all_arrived(shop, rows, moment)):
            if time.monotonic() > until:
                raise StackError("events wait, or letters don't come, for ever")
            time.sleep(_PAUSE_SECONDS)
    events, arrived = found
    return Lags(
        events=_seconds(events, {event["_id"]: event["delivered_at"] for event in events}),
        letters=_seconds(events, arrived),
    )


def _all_arrived(
    shop: Shop, rows: Collection[dict[str, Any]], moment: datetime
) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, datetime]] | None:
    # The cheap question first: reading all letters again and again would hold up those on their way.
    if rows.find_one({"state": "waiting"}) is not None:
        return None
    events = list(rows.find({"kind": _KIND, "at": {"$gte": moment}}))
    arrived = {mail.identity.strip("<>").partition("@")[0]: mail.received_at for mail in mails_in(shop.profile.mails)}
    here = all(event.get("delivered_at") and event["_id"] in arrived for event in events)
    return (events, arrived) if here else None


def _seconds(events: Sequence[Mapping[str, Any]], then: Mapping[str, datetime]) -> list[float]:
    return sorted((then[event["_id"]] - event["at"]) / timedelta(seconds=1) for event in events)


def _p99(lags: Sequence[float]) -> float:
    return lags[int(len(lags) * 0.99)] if lags else 0.0
