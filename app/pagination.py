"""Cuts lists into pages with opaque, signed cursors (keyset pagination)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import orjson
from pydantic import BaseModel, Field

from app.errors import CursorInvalid
from app.security import derived_key
from app.settings import Settings

T = TypeVar("T")
Position = tuple[Any, ...]

COUNTED_UP_TO: Final = 10_000
"""`?include=total` counts no further: the answer then says `gte`."""

_MAC_BYTES: Final = 16


class Total(BaseModel):
    """How many there are: exactly, or at least."""

    value: int
    relation: Literal["eq", "gte"]

    @classmethod
    def counted(cls, value: int) -> "Total":
        """Return the total for a count that stopped just above `COUNTED_UP_TO`."""
        return cls(value=min(value, COUNTED_UP_TO), relation="eq" if value <= COUNTED_UP_TO else "gte")


class PageInfo(BaseModel):
    """Where the list goes on."""

    next_cursor: str | None
    has_more: bool
    total: Annotated[Total | None, Field(exclude_if=lambda total: total is None)] = None


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    data: list[T]
    page: PageInfo


def whole(data: Sequence[T]) -> Page[T]:
    """Return a list that is short enough to have no further page."""
    return Page(data=list(data), page=PageInfo(next_cursor=None, has_more=False))


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is asked for. `about` ties cursors to the list's path, filters and sort."""

    limit: int
    after: Position | None
    about: str
    with_total: bool
    signer: "CursorSigner"

    @property
    def fetch(self) -> int:
        """One more than the page holds: the extra one tells that there is more."""
        return self.limit + 1

    def page_of(self, found: Sequence[tuple[Position, T]], total: int | None = None) -> Page[T]:
        """Return the page from up to `fetch` items, each with its position in the sort order."""
        more = len(found) > self.limit
        shown = found[: self.limit]
        cursor = self.signer.sign(shown[-1][0], about=self.about) if more else None
        info = PageInfo(next_cursor=cursor, has_more=more, total=None if total is None else Total.counted(total))
        return Page(data=[item for _, item in shown], page=info)


def _spelt(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class CursorSigner:
    """Signs positions, so that a cursor can be neither made up nor used with another list."""

    def __init__(self, settings: Settings) -> None:
        """Derive the key."""
        self._key = derived_key(settings, "cursor")

    def sign(self, position: Position, *, about: str) -> str:
        """Return the cursor for a position: its JSON and a MAC over it and the list it belongs to."""
        payload = orjson.dumps([value.isoformat() if isinstance(value, datetime) else value for value in position])
        return _spelt(self._mac(payload, about) + payload)

    def open(self, cursor: str, *, about: str) -> Position:
        """Return the position that the cursor holds.

        Raises:
            CursorInvalid: it is damaged, made up, or from a list with other filters or another sort.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise CursorInvalid("The cursor is damaged; start again without one.") from error
        if _spelt(raw) != cursor:
            raise CursorInvalid("The cursor is damaged; start again without one.")
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, about)):
            raise CursorInvalid("The cursor belongs to another list, filter or sort; start again without one.")
        return tuple(orjson.loads(payload))

    def _mac(self, payload: bytes, about: str) -> bytes:
        return hmac.new(self._key, about.encode() + b"\x00" + payload, hashlib.sha256).digest()[:_MAC_BYTES]
