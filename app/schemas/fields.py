"""Defines the field types that the API's shapes share: checked text, timestamps, ISBNs, languages."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from stdnum import isbn as isbn_numbers
from stdnum.exceptions import ValidationError as NumberError

from app.clock import rfc3339
from app.wording import spelt

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL_OR_BREAK: Final = re.compile(r"[\x00-\x1f\x7f]")
_BARE_ISBN: Final = re.compile(r"[0-9]{9}[0-9X]|[0-9]{13}")


def _one_line(value: object) -> object:
    if isinstance(value, str) and _CONTROL_OR_BREAK.search(value):
        raise PydanticCustomError("control_character", "must not contain control characters or line breaks")
    return value


def _many_lines(value: object) -> object:
    if isinstance(value, str) and _CONTROL.search(value):
        raise PydanticCustomError("control_character", "must not contain control characters")
    return value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    BeforeValidator(_one_line),
    Field(json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f\s][^\x00-\x1f\x7f]*$"}),
]
"""Text of one line, trimmed, not empty; add `Field(max_length=…)` where it is used."""

Prose = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    BeforeValidator(_many_lines),
    Field(json_schema_extra={"pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"}),
]
"""Text of any number of lines."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T21:28:05.123Z"]}),
]
"""A moment, shown as RFC 3339 in UTC with milliseconds."""


def _spelt_as_moment(value: object) -> object:
    if isinstance(value, str) and not _MOMENT.fullmatch(value):
        raise PydanticCustomError("datetime_parsing", "must be a moment as RFC 3339 writes it: 2026-11-20T21:28:05Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("datetime_parsing", "must be in the years 1 to 9999 in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_spelt_as_moment), AfterValidator(_in_utc)]
"""A moment that a client names, as RFC 3339 writes it; in UTC from here on."""


def _capitalised(tag: str) -> str:
    """Return a language tag as RFC 5646, section 2.1.1, writes it: `pt-br` is `pt-BR`, `zh-hant` is `zh-Hant`."""
    first, *others = tag.split("-")
    usual = {2: str.upper, 4: str.capitalize}
    return "-".join([first, *(usual.get(len(one), str.lower)(one) for one in others)])


Language = Annotated[
    str,
    StringConstraints(
        pattern=spelt(
            r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", "must be a language tag as BCP 47 writes it, such as en or pt-BR"
        ),
        max_length=35,
    ),
    AfterValidator(_capitalised),
    WithJsonSchema(
        {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", "maxLength": 35, "examples": ["en"]},
    ),
]
"""A BCP 47 language tag such as `en` or `pt-BR`, in one spelling whatever its letters' case."""


def _spelt_as_integer(value: object) -> object:
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise PydanticCustomError("int_parsing", "must be an integer, written in digits")
    return value


def _spelt_as_boolean(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise PydanticCustomError("bool_parsing", "must be true or false")
    return value


IN_DIGITS: Final = BeforeValidator(_spelt_as_integer)
"""For an integer in a query: digits, and nothing that merely amounts to one (`1.0`, `1_000`, ` 1`)."""

Flag = Annotated[bool, BeforeValidator(_spelt_as_boolean)]
"""A boolean in a query: `true` or `false`."""


CategoryReference = Annotated[Line, Field(max_length=100, json_schema_extra={"format": "category-reference"})]
"""The id or slug of a category that exists."""


def bare_isbn(text: str) -> str:
    """Return the text without hyphens and spaces, and with its X in upper case: as books and caches name an ISBN."""
    return text.replace("-", "").replace(" ", "").upper()


def parse_isbn(text: str) -> str | None:
    """Return the ISBN-13 that the text means, or None.

    ISBN-10 and -13 with or without hyphens and spaces; the check digit must hold (ISO 2108). No other character, and no
    ten without their zero, though stdnum reads them: what finds a book must be one of its names once it is bare, or
    answers are kept under a name that no writer touches (`app.cache.tags`).
    """
    bare = bare_isbn(text)
    if not _BARE_ISBN.fullmatch(bare):
        return None
    try:
        return isbn_numbers.to_isbn13(isbn_numbers.validate(bare))
    except NumberError:
        return None


def isbn10_of(isbn13: str) -> str | None:
    """Return the ISBN-10 of the same book, or None where there can't be one (prefix 979)."""
    return isbn_numbers.to_isbn10(isbn13).replace("-", "") if isbn13.startswith("978") else None


def _checked_isbn13(value: str) -> str:
    found = parse_isbn(isbn_numbers.compact(value))
    if found is None or sum(character.isalnum() for character in value) != 13:  # noqa: PLR2004
        raise PydanticCustomError("isbn_invalid", "is no ISBN-13: 13 digits, the last of which is the check digit")
    return found


def _checked_isbn10(value: str) -> str:
    found = parse_isbn(isbn_numbers.compact(value))
    if found is None or sum(character.isalnum() for character in value) != 10:  # noqa: PLR2004
        raise PydanticCustomError("isbn_invalid", "is no ISBN-10: ten characters, the last of which is the check digit")
    return str(isbn10_of(found))


Isbn13 = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_checked_isbn13),
    Field(json_schema_extra={"format": "isbn-13"}),
]
"""An ISBN-13, any hyphens and spaces of print allowed, kept as 13 digits."""

Isbn10 = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_checked_isbn10),
    Field(json_schema_extra={"format": "isbn-10"}),
]
"""An ISBN-10, any hyphens and spaces of print allowed, kept as ten characters."""
