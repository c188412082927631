"""Checks what a row says by the rules that hold for what staff write through the API."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, Final

from pydantic import Field, HttpUrl, TypeAdapter, ValidationError, field_validator

from app.importing.records import BookRecord, Note, Offer, RowFailure
from app.money import Money
from app.schemas.book import BookInput, Cover, Format, Rating
from app.schemas.fields import Language

_MOST_PROBLEMS: Final = 5
_URL: Final = TypeAdapter(HttpUrl)

MAX_STOCK: Final = 1_000_000


class RatingInput(Rating):
    """What readers gave elsewhere."""

    average: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
    count: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class RowInput(BookInput):
    """A book as a file tells it: as the API takes it, with stock and ratings; the language may be unknown."""

    language: Language | None = None  # type: ignore[assignment]  # old catalogues don't always know it
    format: Format | None = None  # type: ignore[assignment]  # absent isn't the same as paperback: see BookRecord
    price: Money | None = None  # type: ignore[assignment]  # the reader decides whether a rule stands in for it
    stock: Annotated[int | None, Field(strict=True, ge=0, le=MAX_STOCK)] = None
    rating: RatingInput | None = None
    popularity: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000_000_000)] = None
    cover: Cover | None = None

    @field_validator("cover")
    @classmethod
    def _addresses(cls, cover: Cover | None) -> Cover | None:
        for address in (cover.small, cover.large) if cover else ():
            _URL.validate_python(address)
        return cover


def record_of(fields: RowInput, *, line: int, source: str, offer: Offer, notes: tuple[Note, ...] = ()) -> BookRecord:
    """Return the record that these checked fields make; `offer` is what a new book starts with."""
    rating = fields.rating
    return BookRecord(
        line=line,
        source=source,
        offer=offer,
        title=fields.title,
        subtitle=fields.subtitle,
        authors=tuple(fields.authors),
        isbn13=fields.isbn13,
        isbn10=fields.isbn10,
        description=fields.description or None,
        categories=tuple(dict.fromkeys(fields.categories)),
        language=fields.language,
        publisher=fields.publisher,
        published_year=fields.published_year,
        series=fields.series,
        pages=fields.pages,
        format=fields.format,
        price=fields.price,
        rating=Rating(average=rating.average, count=rating.count) if rating else None,
        popularity=fields.popularity,
        cover=fields.cover,
        notes=notes,
    )


def failure_of(error: ValidationError, *, line: int, notes: tuple[Note, ...] = ()) -> RowFailure:
    """Say in one sentence which fields are at fault: `invalid_row`, or the code where there is only one problem."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    said = [f"{_pointer(problem['loc'])}: {problem['msg']}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        said.append(f"and {len(problems) - _MOST_PROBLEMS} more")
    code = problems[0]["type"] if len(problems) == 1 else "invalid_row"
    return RowFailure(line, code, "; ".join(said), notes)


def checked(values: Mapping[str, Any]) -> RowInput:
    """Return the values as checked fields; keys with None are absent.

    Raises:
        ValidationError: a field is at fault.
    """
    return RowInput.model_validate({name: value for name, value in values.items() if value is not None})


def _pointer(location: tuple[int | str, ...]) -> str:
    return "/" + "/".join(str(part) for part in location) if location else "the row"


def shop_record(fields: RowInput, *, line: int, prefix: str) -> BookRecord | RowFailure:
    """Return the record of a row from a shop's own file, which must name the price; silence means no stock."""
    if fields.price is None:
        return RowFailure(line, "price_missing", "The row has no price.")
    offer = Offer(fields.format or Format.PAPERBACK, fields.price, fields.stock or 0)
    return record_of(fields, line=line, source=f"{prefix}:{_identity(fields)}", offer=offer)


def _identity(fields: RowInput) -> str:
    """Return what makes the row the same book in the next file: its ISBN, or else title, authors, language and form."""
    if fields.isbn13 is not None:
        return fields.isbn13
    parts = (fields.title, *fields.authors, fields.language or "", fields.format or "")
    return blake2b("\x1f".join(parts).casefold().encode(), digest_size=10).hexdigest()
