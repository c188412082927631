"""A shop's own CSV and JSON lines are read by the API's field names and rules."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.importing.records import BookRecord
from app.importing.sources import FileFormat, guess_format
from app.money import Money
from app.schemas.book import Format
from tests.importing.files import failures_of, records_of, rows_of, write

BOOK: dict[str, Any] = {
    "title": "Embers",
    "authors": ["Ann Ash", "Bo Birch"],
    "language": "en",
    "price": {"amount": 1299, "currency": "USD"},
}


def csv_file(path: Path, header: str, *rows: str) -> Path:
    return write(path / "stock.csv", [header, *rows])


def json_lines(path: Path, *books: dict[str, Any]) -> Path:
    return write(path / "stock.jsonl", [json.dumps(book) for book in books])


def test_csv_row_becomes_a_record(tmp_path: Path) -> None:
    header = (
        "title,subtitle,authors,isbn10,description,categories,language,publisher,published_year,series_name,"
        "series_position,pages,format,price_amount,price_currency,stock,rating_average,rating_count"
    )
    row = (
        "Embers,A Novel,Ann Ash|Bo Birch,0-306-40615-2,Warm.,fiction/fantasy;poetry,en,Hearth,1999,The Ash Cycle,2,312,"
        "hardcover,1299,USD,7,4.5,12"
    )

    (record,) = records_of(csv_file(tmp_path, header, row))

    assert (record.source, record.isbn13, record.isbn10) == ("csv:9780306406157", "9780306406157", "0306406152")
    assert (record.title, record.subtitle, record.authors) == ("Embers", "A Novel", ("Ann Ash", "Bo Birch"))
    assert (record.categories, record.publisher) == (("fiction/fantasy", "poetry"), "Hearth")
    assert (record.published_year, record.pages, record.description) == (1999, 312, "Warm.")
    assert (record.format, record.price) == (Format.HARDCOVER, Money(amount=1299, currency="USD"))
    assert (record.offer.stock, record.offer.price, record.offer.format) == (7, record.price, Format.HARDCOVER)
    assert record.series is not None
    assert (record.series.name, record.series.position) == ("The Ash Cycle", "2")
    assert record.rating is not None
    assert (record.rating.average, record.rating.count) == (4.5, 12)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("12.99", 1299), ("0.07", 7), ("19.9", 1990), ("8", 800), ("1.10", 110), ("999999.99", 99_999_999)],
)
def test_decimal_prices_are_read_exactly(tmp_path: Path, cell: str, amount: int) -> None:
    (record,) = records_of(csv_file(tmp_path, "title,authors,price", f"Embers,Ann Ash,{cell}"))

    assert record.price == Money(amount=amount, currency="USD")


@pytest.mark.parametrize(
    ("header", "cell", "code"),
    [
        ("price", "12.999", "price_invalid"),
        ("price", "$12.99", "price_invalid"),
        ("price", "1e3", "price_invalid"),
        ("price", "-1", "price_invalid"),
        ("price", "1000000.00", "less_than_equal"),
        ("price", "", "price_missing"),
        ("price_amount", "12.99", "number_invalid"),
        ("price_amount", "-1", "greater_than_equal"),
        ("price,pages", "1.00,0", "greater_than_equal"),
        ("price,pages", "1.00,many", "number_invalid"),
        ("price,format", "1.00,scroll", "enum"),
        ("price,isbn13", "1.00,9780306406158", "isbn_invalid"),
        ("price,isbn10", "1.00,9780306406157", "isbn_invalid"),
        ("price,stock", "1.00,-1", "greater_than_equal"),
        ("price,language", "1.00,English", "string_pattern_mismatch"),
        ("price,rating_average,rating_count", "1.00,nan,3", "number_invalid"),
        ("price,rating_average", "1.00,4.0", "missing"),
        ("price,price_currency", "1.00,EUR", "literal_error"),
    ],
)
def test_csv_row_with_a_wrong_cell_fails(tmp_path: Path, header: str, cell: str, code: str) -> None:
    rows = rows_of(csv_file(tmp_path, f"title,authors,{header}", f"Embers,Ann Ash,{cell}"))

    assert failures_of(rows) == [(2, code)]


def test_unknown_column_is_reported_on_the_header_and_the_rows_go_on(tmp_path: Path) -> None:
    rows = rows_of(csv_file(tmp_path, "title,authors,price,colour", "Embers,Ann Ash,8.99,red"))

    assert failures_of(rows) == [(1, "unknown_column")]
    assert isinstance(rows[1], BookRecord)


def test_book_without_isbn_is_known_again_by_title_authors_language_and_form(tmp_path: Path) -> None:
    (before,) = records_of(csv_file(tmp_path, "title,authors,price", "Embers,Ann Ash,8.99"))
    (after,) = records_of(csv_file(tmp_path, "stock,price,authors,title,pages", "3,9.99,Ann Ash,Embers,300"))
    (other,) = records_of(csv_file(tmp_path, "title,authors,price", "Embers,Bo Birch,8.99"))

    assert before.source == after.source
    assert before.source != other.source


def test_json_line_becomes_a_record(tmp_path: Path) -> None:
    book = BOOK | {
        "isbn13": "978-0-306-40615-7",
        "stock": 3,
        "rating": {"average": 4, "count": 2},
        "popularity": 9,
        "cover": {"small": "https://covers.example/s.jpg", "large": "https://covers.example/l.jpg"},
    }

    (record,) = records_of(json_lines(tmp_path, book))

    assert (record.source, record.isbn10, record.offer.stock) == ("jsonl:9780306406157", "0306406152", 3)
    assert (record.popularity, record.rating is not None, record.cover is not None) == (9, True, True)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "json_invalid"),
        ('["Embers"]', "model_type"),
        ("null", "model_type"),
        (json.dumps(BOOK | {"colour": "red"}), "extra_forbidden"),
        (json.dumps(BOOK | {"price": {"amount": 12.99, "currency": "USD"}}), "int_type"),
        (json.dumps(BOOK | {"price": None}), "price_missing"),
        (json.dumps(BOOK | {"authors": []}), "too_short"),
        (json.dumps(BOOK | {"stock": "3"}), "int_type"),
        (json.dumps(BOOK | {"rating": {"average": float("nan"), "count": 1}}), "finite_number"),
        (json.dumps(BOOK | {"title": "\u0000"}), "control_character"),
        (json.dumps(BOOK).replace("Embers", "\\ud800"), "json_invalid"),
    ],
)
def test_json_line_that_is_no_book_fails_and_the_next_goes_on(tmp_path: Path, line: str, code: str) -> None:
    path = write(tmp_path / "stock.jsonl", ["{}", line, json.dumps(BOOK)])

    rows = rows_of(path)

    assert failures_of(rows) == [(1, "invalid_row"), (2, code)]
    assert isinstance(rows[2], BookRecord)


def test_format_is_guessed_from_the_name_or_the_beginning() -> None:
    goodbooks_header = "book_id,isbn,isbn13,authors,title,original_publication_year,language_code,more"

    assert guess_format(Path("stock.jsonl"), "") is FileFormat.JSONL
    assert guess_format(Path("stock.txt"), '{"title"') is FileFormat.JSONL
    assert guess_format(Path("anything.csv"), goodbooks_header) is FileFormat.GOODBOOKS
    assert guess_format(Path("stock.csv"), "title,authors,price") is FileFormat.CSV
