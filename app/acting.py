"""Knows which of the shop's people sent the request that is being answered, for as long as it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from app.ids import UserId


@dataclass(frozen=True)
class Act:
    """What somebody who works in the shop has asked for."""

    actor: UserId
    role: str
    action: str
    method: str
    path: str
    named: Mapping[str, str]
    """What the path names: parameter to value."""

    request_id: str


_act: Final[ContextVar[Act | None]] = ContextVar("act", default=None)


@contextmanager
def request() -> Iterator[None]:
    """Within it, `remember` holds; nothing of it is left afterwards."""
    token = _act.set(None)
    try:
        yield
    finally:
        _act.reset(token)


def remember(act: Act) -> None:
    """Note who acts."""
    _act.set(act)


def current() -> Act | None:
    """Return who acts; None for shoppers, workers and whoever else isn't to be audited."""
    return _act.get()
