"""Writes the small files that the importing tests read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app.importing.records import BookRecord, Row, RowFailure
from app.importing.sources import FileFormat, open_source

HEADER: Final = (
    "book_id,goodreads_book_id,best_book_id,work_id,books_count,isbn,isbn13,authors,original_publication_year,"
    "original_title,title,language_code,average_rating,ratings_count,work_ratings_count,work_text_reviews_count,"
    "ratings_1,ratings_2,ratings_3,ratings_4,ratings_5,image_url,small_image_url"
)
"""The columns of goodbooks-10k's books.csv."""


def goodbooks_line(
    number: int,
    *,
    title: str = "A Made-up Book",
    authors: str = "Nobody Real",
    isbn: str = "",
    isbn13: str = "",
    year: str = "1999.0",
    language: str = "eng",
    average: str = "4.25",
    ratings: str = "1200",
    cover: str = "https://covers.example/m/1.jpg",
) -> str:
    """Return a row in the shape of goodbooks-10k's books.csv."""
    cells = [
        str(number), "1", "1", "1", "9", isbn, isbn13, authors, year, "", title, language, average, ratings,
        "0", "0", "0", "0", "0", "0", "0", cover, cover.replace("/m/", "/s/"),
    ]  # fmt: skip
    return ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n') else cell for cell in cells)


def write(path: Path, lines: Iterable[str | bytes]) -> Path:
    """Write these lines to the file and return it."""
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


def goodbooks(path: Path, *lines: str | bytes) -> Path:
    """Write a books.csv with these rows."""
    return write(path / "books.csv", [HEADER, *lines])


def rows_of(path: Path, file_format: FileFormat | None = None) -> list[Row]:
    """Return all rows of a file."""
    return list(open_source(path, file_format))


def records_of(path: Path, file_format: FileFormat | None = None) -> list[BookRecord]:
    """Return the records of a file none of whose rows fails."""
    rows = rows_of(path, file_format)
    assert [row for row in rows if isinstance(row, RowFailure)] == []
    return [row for row in rows if isinstance(row, BookRecord)]


def failures_of(rows: Iterable[Row]) -> list[tuple[int, str]]:
    """Return the line and code of each failure."""
    return [(row.line, row.code) for row in rows if isinstance(row, RowFailure)]


def codes_of(row: Row) -> list[str]:
    """Return the codes of a row's notes."""
    return [note.code for note in row.notes]
