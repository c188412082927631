"""Reads goodbooks-10k's books.csv, and repairs what spreadsheets did to it."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from app.importing.csv_rows import CsvRow, csv_rows
from app.importing.fields import checked, failure_of, record_of
from app.importing.languages import language_tag
from app.importing.lines import LineFile
from app.importing.offers import offer_of
from app.importing.people import split_authors
from app.importing.records import BookRecord, Note, Row, RowFailure, WrongFile
from app.importing.titles import split_title
from app.schemas.fields import isbn10_of, parse_isbn

NEEDED: Final = frozenset(
    {"book_id", "isbn", "isbn13", "authors", "title", "original_publication_year", "language_code"}
)
"""The columns by which the format is known; ratings and covers are read where they are there."""

_ID: Final = re.compile(r"\d{1,12}")
_ISBN10: Final = re.compile(r"\d{1,9}[\dXx]")
_ISBN13: Final = re.compile(r"97[89]\d{10}")
_ISBN10_LENGTH: Final = 10


class GoodbooksFile:
    """The rows of one books.csv."""

    def __init__(self, file: LineFile) -> None:
        """Read from this file.

        Raises:
            WrongFile: the header lacks columns.
        """
        _header(next(csv_rows(file), None))
        self._file = file
        self.total = file.total

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def __iter__(self) -> Iterator[Row]:
        """Yield a record or a failure for each row."""
        names: list[str] | None = None
        for row in csv_rows(self._file):
            if names is None:
                names = _header(row)
            elif isinstance(row, RowFailure):
                yield row
            else:
                yield book_of(dict(zip(names, row.cells, strict=True)), line=row.line)


def _header(row: CsvRow | RowFailure | None) -> list[str]:
    names = [name.strip() for name in row.cells] if isinstance(row, CsvRow) else []
    missing = sorted(NEEDED - set(names))
    if missing:
        raise WrongFile(f"The first line is not the header of goodbooks' books.csv: it lacks {', '.join(missing)}.")
    return names


def book_of(cells: Mapping[str, str], *, line: int) -> BookRecord | RowFailure:
    """Return the book in these cells, by column name, with a note for each repair."""
    number = cells["book_id"].strip()
    if not _ID.fullmatch(number):
        return RowFailure(line, "book_id_invalid", f"book_id is no whole number: {number[:40]!r}.")
    source = f"goodbooks:{int(number)}"
    title = split_title(cells["title"])
    authors, author_notes = split_authors(cells["authors"])
    isbn13, isbn_notes = _isbn(cells["isbn"].strip(), cells["isbn13"].strip())
    language, language_notes = _language(cells["language_code"].strip())
    notes = (*isbn_notes, *title.notes, *author_notes, *language_notes)
    try:
        values: dict[str, Any] = {
            "title": title.title,
            "series": {"name": title.series_name, "position": title.series_position} if title.series_name else None,
            "authors": authors,
            "isbn13": isbn13,
            "language": language,
            "published_year": _whole("original_publication_year", cells),
            "popularity": _whole("ratings_count", cells),
            "rating": _rating(cells),
        }
    except _NotANumber as error:
        return RowFailure(line, "number_invalid", str(error), notes)
    cover, cover_notes = _cover(cells)
    notes += cover_notes
    try:
        fields = checked(values | {"cover": cover})
    except ValidationError as error:
        return failure_of(error, line=line, notes=notes)
    return record_of(fields, line=line, source=source, offer=offer_of(source), notes=notes)


class _NotANumber(Exception):
    """A cell that should be a number isn't."""


def _isbn(isbn10: str, isbn13: str) -> tuple[str | None, list[Note]]:
    """Return the ISBN-13: of the ISBN-10 with its zeros back, else the column isbn13 where that is whole."""
    notes: list[Note] = []
    if isbn10 and _ISBN10.fullmatch(isbn10):
        padded = isbn10.upper().zfill(_ISBN10_LENGTH)
        derived = parse_isbn(padded)
        if derived is not None:
            if padded != isbn10:
                notes.append(Note("isbn10_padded", f"{isbn10} is {padded}"))
            notes.append(Note("isbn13_derived", f"{derived} from {padded}"))
            return derived, notes
    if isbn10:
        notes.append(Note("isbn_dropped_invalid", f"{isbn10[:40]}: its check digit doesn't hold"))
    if _ISBN13.fullmatch(isbn13) and parse_isbn(isbn13) is not None:
        notes.append(Note("isbn13_kept", isbn13))
        if isbn10_of(isbn13) is not None:
            notes.append(Note("isbn10_derived", f"{isbn10_of(isbn13)} from {isbn13}"))
        return isbn13, notes
    if isbn13:
        notes.append(Note("isbn13_unusable", f"{isbn13[:40]} has lost its digits, and no valid ISBN-10 stands in"))
    return None, notes


def _language(code: str) -> tuple[str | None, list[Note]]:
    if not code:
        return None, []
    tag = language_tag(code)
    if tag is None:
        return None, [Note("language_left_out", f"{code[:40]!r} names no language")]
    return tag, [] if tag == code else [Note("language_mapped", f"{code} is {tag}")]


def _whole(column: str, cells: Mapping[str, str]) -> int | None:
    number = _number(column, cells)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise _NotANumber(f"{column} is no whole number: {cells[column][:40]!r}.")
    return int(number)


def _number(column: str, cells: Mapping[str, str]) -> Decimal | None:
    text = cells.get(column, "").strip()
    if not text:
        return None
    try:
        number = Decimal(text) if len(text) <= 20 and text.isascii() else Decimal("NaN")  # noqa: PLR2004
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number.adjusted() > 15:  # noqa: PLR2004
        raise _NotANumber(f"{column} is no number: {text[:40]!r}.")
    return number


def _rating(cells: Mapping[str, str]) -> dict[str, Any] | None:
    average, count = _number("average_rating", cells), _whole("ratings_count", cells)
    return None if average is None or count is None else {"average": float(average), "count": count}


def _cover(cells: Mapping[str, str]) -> tuple[dict[str, str] | None, tuple[Note, ...]]:
    small, large = cells.get("small_image_url", "").strip(), cells.get("image_url", "").strip()
    if not small or not large:
        return None, ()
    if "nophoto" in small or "nophoto" in large:
        return None, (Note("cover_placeholder_left_out", large[:200]),)
    return {"small": small, "large": large}, ()
