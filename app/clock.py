"""Tells the time: the only module that asks the system for it."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC, cut to the millisecond that MongoDB keeps and the API shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """Return the moment as RFC 3339 in UTC with milliseconds, such as `2026-11-20T21:28:05.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def monotonic() -> float:
    """Return seconds on a clock that never goes back, for measuring how long something took."""
    return time.monotonic()


def moment(timestamp: float) -> datetime:
    """Return the moment so many seconds after the epoch."""
    return datetime.fromtimestamp(timestamp, UTC)
