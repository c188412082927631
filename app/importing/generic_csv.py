"""Reads any shop's CSV whose header uses the API's field names."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from app.importing.csv_rows import CsvRow, csv_rows
from app.importing.fields import checked, failure_of, shop_record
from app.importing.lines import LineFile
from app.importing.records import BookRecord, Row, RowFailure, WrongFile

_DECIMAL: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?")
_WHOLE: Final = re.compile(r"[+-]?\d{1,15}")
_AVERAGE: Final = re.compile(r"\d(?:\.\d{1,10})?")


class _BadCell(Exception):
    """A cell doesn't hold what its column is for; the message is a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _text(_column: str, cell: str) -> str:
    return cell


def _whole(column: str, cell: str) -> int:
    if not _WHOLE.fullmatch(cell):
        raise _BadCell("number_invalid", f"{column} is no whole number: {cell[:40]!r}.")
    return int(cell)


def _average(column: str, cell: str) -> float:
    if not _AVERAGE.fullmatch(cell):
        raise _BadCell("number_invalid", f"{column} is no number between 0 and 5: {cell[:40]!r}.")
    return float(cell)


def _several(_column: str, cell: str) -> list[str]:
    separator = "|" if "|" in cell else ";"
    return [part.strip() for part in cell.split(separator) if part.strip()]


def _minor_units(column: str, cell: str) -> int:
    match = _DECIMAL.fullmatch(cell)
    if match is None:
        raise _BadCell("price_invalid", f"{column} is no amount such as 12.99: {cell[:40]!r}.")
    return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))


COLUMNS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "title": _text,
    "subtitle": _text,
    "authors": _several,
    "isbn13": _text,
    "isbn10": _text,
    "description": _text,
    "categories": _several,
    "language": _text,
    "publisher": _text,
    "published_year": _whole,
    "series_name": _text,
    "series_position": _text,
    "pages": _whole,
    "format": _text,
    "price": _minor_units,
    "price_amount": _whole,
    "price_currency": _text,
    "stock": _whole,
    "rating_average": _average,
    "rating_count": _whole,
    "popularity": _whole,
    "cover_small": _text,
    "cover_large": _text,
}
"""The columns that are understood, and how their cells are read; an empty cell says nothing."""

_NESTED: Final = {
    "series_name": ("series", "name"),
    "series_position": ("series", "position"),
    "price_amount": ("price", "amount"),
    "price_currency": ("price", "currency"),
    "rating_average": ("rating", "average"),
    "rating_count": ("rating", "count"),
    "cover_small": ("cover", "small"),
    "cover_large": ("cover", "large"),
}


class GenericCsvFile:
    """The rows of one CSV file."""

    def __init__(self, file: LineFile) -> None:
        """Read from this file.

        Raises:
            WrongFile: the first line is no header.
        """
        _header(next(csv_rows(file), None))
        self._file = file
        self.total = file.total

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def __iter__(self) -> Iterator[Row]:
        """Yield a record or a failure for each row, and a failure for each column that isn't understood."""
        names: list[str] | None = None
        for row in csv_rows(self._file):
            if names is None:
                names = _header(row)
                known = ", ".join(COLUMNS)
                for name in names:
                    if name not in COLUMNS:
                        detail = f"The column {name[:60]!r} isn't known and is left out; known are {known}."
                        yield RowFailure(row.line, "unknown_column", detail)
            elif isinstance(row, RowFailure):
                yield row
            else:
                yield book_of(dict(zip(names, row.cells, strict=True)), line=row.line)


def _header(row: CsvRow | RowFailure | None) -> list[str]:
    names = [name.strip().lower() for name in row.cells] if isinstance(row, CsvRow) else []
    if not {"title", "authors"} <= set(names):
        raise WrongFile("The first line is no header: a column title and a column authors are needed.")
    if not {"price", "price_amount"} & set(names):
        raise WrongFile("The header has no price: a column price (12.99), or price_amount (1299), is needed.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise WrongFile(f"The header names {', '.join(repeated)} twice.")
    return names


def book_of(cells: Mapping[str, str], *, line: int) -> BookRecord | RowFailure:
    """Return the book in these cells, by column name."""
    try:
        values = _values(cells)
        fields = checked(values)
    except _BadCell as error:
        return RowFailure(line, error.code, str(error))
    except ValidationError as error:
        return failure_of(error, line=line)
    return shop_record(fields, line=line, prefix="csv")


def _values(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column, read in COLUMNS.items():
        cell = cells.get(column, "").strip()
        if not cell:
            continue
        outer, inner = _NESTED.get(column, (column, None))
        if column == "price":
            outer, inner = "price", "amount"
        value = read(column, cell)
        if inner is None:
            values[outer] = value
        else:
            values.setdefault(outer, {})[inner] = value
    if "price" in values:
        values["price"].setdefault("currency", "USD")
    return values
