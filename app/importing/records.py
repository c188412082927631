"""Says what a reader makes of a line: a book's record, or why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from app.money import Money
from app.schemas.book import Cover, Format, Rating, Series


class WrongFile(Exception):
    """The file as a whole can't be imported; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that was repaired, derived or left out on the way from the row to the record."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What the shop offers of a book the moment that it is made: the form, the price, the copies on the shelf."""

    format: Format
    price: Money
    stock: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRecord:
    """A book as one row tells it. None, or nothing, where the row doesn't say.

    `offer` holds for new books only; `price` and `format` are set where the row itself names them, so that importing
    again brings a changed price from the file, and never a made-up one over the shop's own.
    """

    line: int
    source: str
    title: str
    authors: tuple[str, ...]
    offer: Offer
    subtitle: str | None = None
    isbn13: str | None = None
    isbn10: str | None = None
    description: str | None = None
    categories: tuple[str, ...] = ()
    language: str | None = None
    publisher: str | None = None
    published_year: int | None = None
    series: Series | None = None
    pages: int | None = None
    format: Format | None = None
    price: Money | None = None
    rating: Rating | None = None
    popularity: int | None = None
    cover: Cover | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row that can't be imported: the line where it starts, a stable code, and a sentence."""

    line: int
    code: str
    detail: str
    notes: tuple[Note, ...] = ()


Row = BookRecord | RowFailure


class RowSource(Protocol):
    """Rows in order, and how far along they are."""

    @property
    def total(self) -> int:
        """How much there is: bytes of a file, rows of what is made up."""
        ...

    @property
    def done(self) -> int:
        """How much of `total` was read."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """Yield every row once."""
        ...
