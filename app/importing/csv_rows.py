"""Reads CSV (RFC 4180) row by row, so that one broken row doesn't spoil the others."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.importing.lines import MAX_ROW_BYTES, Line, LineFile
from app.importing.records import RowFailure

_UNFINISHED: Final = "unexpected end of data"

csv.field_size_limit(MAX_ROW_BYTES)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """The cells of one row, and the line where it starts."""

    line: int
    cells: list[str]


def csv_rows(file: LineFile) -> Iterator[CsvRow | RowFailure]:
    """Yield every row, the header included, and a failure for each that isn't CSV.

    A quote that is never closed would swallow the rows after it: the row where it opened fails, and reading goes on at
    the line after that one.
    """
    width: int | None = None
    try:
        while (line := file.read()) is not None:
            if line.code is not None:
                yield RowFailure(line.number, line.code, line.detail)
            elif line.text.strip():
                row = _row(line, file, width=width)
                if width is None and isinstance(row, CsvRow):
                    width = len(row.cells)
                yield row
    finally:
        file.close()


def _row(line: Line, file: LineFile, *, width: int | None) -> CsvRow | RowFailure:
    following: list[Line] = []
    row = _parsed(line, file, following)
    if isinstance(row, CsvRow) and width is not None and len(row.cells) != width:
        row = RowFailure(line.number, "wrong_columns", f"{len(row.cells)} cells where the header has {width}.")
    if isinstance(row, RowFailure):
        file.give_back(following)
    return row


def _parsed(line: Line, file: LineFile, following: list[Line]) -> CsvRow | RowFailure:
    pieces = [line.text]
    length = len(line.text)
    while True:
        try:
            return CsvRow(line.number, next(csv.reader(["\n".join(pieces)], strict=True)))
        except csv.Error as error:
            if str(error) != _UNFINISHED:
                return RowFailure(line.number, "malformed_csv", f"{str(error)[:1].upper()}{str(error)[1:]}.")
        while True:
            following_line = file.read()
            if following_line is not None:
                following.append(following_line)
                length += len(following_line.text) + 1
            if following_line is None or following_line.code is not None or length > MAX_ROW_BYTES:
                return RowFailure(line.number, "unclosed_quote", "A quote that opens here isn't closed.")
            pieces.append(following_line.text)
            if '"' in following_line.text:
                break
