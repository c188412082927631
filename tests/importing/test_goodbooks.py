"""Goodbooks' rows are repaired where they can be, and say what was done."""

import os
from collections import Counter
from pathlib import Path

import pytest

from app.importing.records import BookRecord, RowFailure
from app.importing.sources import FileFormat
from tests.importing.files import codes_of, failures_of, goodbooks, goodbooks_line, records_of, rows_of


def one(path: Path, line: str) -> BookRecord:
    (record,) = records_of(goodbooks(path, line))
    return record


def test_a_whole_row_becomes_a_record(tmp_path: Path) -> None:
    record = one(
        tmp_path,
        goodbooks_line(
            7,
            title="Embers (The Ash Cycle, #2)",
            authors="Ann Ash, Bo Birch",
            isbn="306406152",
            isbn13="9.78030640615e+12",
        ),
    )

    assert (record.line, record.source, record.title) == (2, "goodbooks:7", "Embers")
    assert record.series is not None
    assert (record.series.name, record.series.position) == ("The Ash Cycle", "2")
    assert record.authors == ("Ann Ash", "Bo Birch")
    assert (record.isbn10, record.isbn13) == ("0306406152", "9780306406157")
    assert (record.language, record.published_year, record.popularity) == ("en", 1999, 1200)
    assert record.rating is not None
    assert (record.rating.average, record.rating.count) == (4.25, 1200)
    assert record.cover is not None
    assert (record.cover.small, record.cover.large) == (
        "https://covers.example/s/1.jpg",
        "https://covers.example/m/1.jpg",
    )
    assert (record.price, record.format) == (None, None)
    assert codes_of(record) == ["isbn10_padded", "isbn13_derived", "series_lifted", "language_mapped"]


@pytest.mark.parametrize(
    ("isbn", "isbn13", "found", "codes"),
    [
        ("0306406152", "9.78030640615e+12", "9780306406157", ["isbn13_derived"]),
        ("080442957x", "", "9780804429573", ["isbn10_padded", "isbn13_derived"]),
        ("306406153", "9.78030640615e+12", None, ["isbn_dropped_invalid", "isbn13_unusable"]),
        ("", "9.78030640615e+12", None, ["isbn13_unusable"]),
        ("", "9780306406157", "9780306406157", ["isbn13_kept", "isbn10_derived"]),
        ("306406153", "9780306406157", "9780306406157", ["isbn_dropped_invalid", "isbn13_kept", "isbn10_derived"]),
        ("", "9780306406158", None, ["isbn13_unusable"]),
        ("", "", None, []),
        ("B000FA64PK", "", None, ["isbn_dropped_invalid"]),
    ],
)
def test_isbn_is_repaired_or_dropped(
    tmp_path: Path, isbn: str, isbn13: str, found: str | None, codes: list[str]
) -> None:
    record = one(tmp_path, goodbooks_line(1, isbn=isbn, isbn13=isbn13, language="en"))

    assert (record.isbn13, codes_of(record)) == (found, codes)


@pytest.mark.parametrize(
    ("code", "tag"),
    [("eng", "en"), ("en-US", "en-US"), ("en-gb", "en-GB"), ("ger", "de"), ("deu", "de"), ("per", "fa"), ("fil", "fil"),
     ("mul", "mul"), ("nl", "nl"), ("", None), ("und", None), ("?!", None)],
)  # fmt: skip
def test_language_codes_are_mapped_and_never_invented(tmp_path: Path, code: str, tag: str | None) -> None:
    assert one(tmp_path, goodbooks_line(1, language=code)).language == tag


@pytest.mark.parametrize(("cell", "year"), [("-750.0", -750), ("8.0", 8), ("2008", 2008), ("", None)])
def test_years_may_be_before_the_common_era(tmp_path: Path, cell: str, year: int | None) -> None:
    assert one(tmp_path, goodbooks_line(1, year=cell)).published_year == year


def test_placeholder_pictures_are_no_covers(tmp_path: Path) -> None:
    record = one(tmp_path, goodbooks_line(1, cover="https://covers.example/nophoto/111x148.png", language="en"))

    assert (record.cover, codes_of(record)) == (None, ["cover_placeholder_left_out"])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (goodbooks_line(1, title=" "), "string_too_short"),
        (goodbooks_line(1, authors=","), "too_short"),
        (goodbooks_line(1, title="x" * 501), "too_long"),
        (goodbooks_line(1, title="Em\x07bers"), "control_character"),
        (goodbooks_line(1, title="Embers (A\x07sh, #1)"), "control_character"),
        (goodbooks_line(1, title=f"Embers ({'x' * 301}, #1)"), "too_long"),
        (goodbooks_line(1, year="soon"), "number_invalid"),
        (goodbooks_line(1, year="1999.5"), "number_invalid"),
        (goodbooks_line(1, year="9e99999999"), "number_invalid"),
        (goodbooks_line(1, year="nan"), "number_invalid"),
        (goodbooks_line(1, year="99999"), "less_than_equal"),
        (goodbooks_line(1, average="6"), "less_than_equal"),
        (goodbooks_line(1, ratings="-1", title="x" * 501), "invalid_row"),
        (goodbooks_line(1, cover="ftp://covers.example/m/1.jpg"), "url_scheme"),
        (goodbooks_line(1).replace("1,", "one,", 1), "book_id_invalid"),
    ],
)
def test_a_row_that_cannot_be_a_book_fails_and_the_next_goes_on(tmp_path: Path, line: str, code: str) -> None:
    rows = rows_of(goodbooks(tmp_path, line, goodbooks_line(2)))

    assert failures_of(rows) == [(2, code)]
    assert isinstance(rows[1], BookRecord)


def test_a_book_that_stands_twice_in_the_file_is_taken_once(tmp_path: Path) -> None:
    first, same_id = goodbooks_line(1, isbn="0306406152"), goodbooks_line(1)
    same_isbn = goodbooks_line(3, isbn="306406152")

    rows = rows_of(goodbooks(tmp_path, first, same_id, same_isbn))

    assert failures_of(rows) == [(3, "duplicate_source"), (4, "duplicate_isbn")]
    assert isinstance(rows[2], RowFailure)
    assert rows[2].detail == "The ISBN 9780306406157 is on line 2 already."


def _real_file() -> Path | None:
    checkout = Path(__file__).resolve().parents[2]
    named = os.environ.get("BOOKSTORE_GOODBOOKS")
    places = [Path(named)] if named else [checkout.parent / "shared" / "data" / "goodbooks" / "books.csv"]
    return next((place / "books.csv" if place.is_dir() else place for place in places if place.exists()), None)


@pytest.mark.skipif(_real_file() is None, reason="goodbooks-10k isn't here; name its books.csv in BOOKSTORE_GOODBOOKS")
def test_the_real_file_gives_the_numbers_that_were_measured_independently() -> None:
    path = _real_file()
    assert path is not None

    records = records_of(path, FileFormat.GOODBOOKS)

    notes = Counter(code for record in records for code in codes_of(record))
    with_isbn = sum(record.isbn13 is not None for record in records)
    assert len(records) == 10_000
    assert with_isbn == 9_277
    assert notes["isbn_dropped_invalid"] == 23
    assert len(records) - with_isbn - notes["isbn_dropped_invalid"] == 700
    assert notes["series_lifted"] == 4_438
    assert sum(record.language is None for record in records) == 1_084
    assert sum(record.published_year is None for record in records) == 21
    assert min(record.published_year for record in records if record.published_year is not None) == -1_750
    assert sum(record.cover is None for record in records) == 3_332
