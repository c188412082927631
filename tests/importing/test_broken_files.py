"""Whatever a file holds, each broken row is named by its line and the others go on."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.importing.lines import MAX_ROW_BYTES, LineFile
from app.importing.records import BookRecord, WrongFile
from app.importing.sources import FileFormat
from tests.importing.files import HEADER, failures_of, goodbooks, goodbooks_line, rows_of, write


def test_each_broken_row_is_reported_by_its_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = goodbooks(
        tmp_path,
        goodbooks_line(1),
        goodbooks_line(2, title="Caf\u00e9").encode("latin-1"),
        goodbooks_line(3, title="N\x00L"),
        goodbooks_line(4) + ",one too many",
        "5,too,few",
        goodbooks_line(6, title="x" * 2_000_000),
        "",
        goodbooks_line(8, title='Say "hi", they said'),
        '9,"closed" badly,' + goodbooks_line(9),
        goodbooks_line(10),
    )

    rows = rows_of(path)

    assert failures_of(rows) == [
        (3, "bad_utf8"),
        (4, "nul_byte"),
        (5, "wrong_columns"),
        (6, "wrong_columns"),
        (7, "row_too_long"),
        (10, "malformed_csv"),
    ]
    assert [(row.line, row.source, row.title) for row in rows if isinstance(row, BookRecord)] == [
        (2, "goodbooks:1", "A Made-up Book"),
        (9, "goodbooks:8", 'Say "hi", they said'),
        (11, "goodbooks:10", "A Made-up Book"),
    ]


def test_a_quoted_cell_may_have_several_lines(tmp_path: Path) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1, title="Embers\nand Ash"), goodbooks_line(2))

    rows = rows_of(path)

    assert [(row.line, row.title) for row in rows if isinstance(row, BookRecord)] == [
        (2, "Embers and Ash"),
        (4, "A Made-up Book"),
    ]


@pytest.mark.parametrize("later_quotes", [True, False])
def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path, *, later_quotes: bool) -> None:
    authors = "Ann Ash, Bo Birch" if later_quotes else "Ann Ash"
    broken = goodbooks_line(1).replace("Nobody Real", '"Nobody Real')

    rows = rows_of(goodbooks(tmp_path, broken, *(goodbooks_line(number, authors=authors) for number in range(2, 6))))

    assert [line for line, _ in failures_of(rows)] == [2]
    assert [row.line for row in rows if isinstance(row, BookRecord)] == [3, 4, 5, 6]


def test_windows_line_ends_and_a_byte_order_mark_are_no_trouble(tmp_path: Path) -> None:
    text = f"\ufeff{HEADER}\r\n{goodbooks_line(1)}\r\n{goodbooks_line(2)}"
    path = write(tmp_path / "books.csv", [text])

    assert len([row for row in rows_of(path) if isinstance(row, BookRecord)]) == 2


@pytest.mark.parametrize(
    ("content", "file_format", "sentence"),
    [
        (b"", None, "is empty."),
        (b" \n\n", None, "is empty."),
        (b"\x7fELF\x02\x01\x01\x00\x00\n", None, "is a binary file, or not in UTF-8."),
        ("title,authors\n".encode("utf-16"), None, "is a binary file, or not in UTF-8."),
        (b"Once upon a time\n", None, "The first line is no header"),
        (b"title,authors\nEmbers,Ann Ash\n", None, "The header has no price"),
        (b"title,authors,price,title\n", None, "The header names title twice."),
        (b"title,authors,price\n", FileFormat.GOODBOOKS, "The first line is not the header of goodbooks' books.csv"),
        (b"title,authors,price\n", FileFormat.JSONL, "The file doesn't hold JSON lines"),
        (b'"title,authors', FileFormat.CSV, "The first line is no header"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, file_format: FileFormat | None, sentence: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)

    with pytest.raises(WrongFile) as refusal:
        rows_of(path, file_format)

    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_no_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongFile, match=r"is a folder; name the file in it\."):
        rows_of(tmp_path)
    with pytest.raises(WrongFile, match="There is no file"):
        rows_of(tmp_path / "missing.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.lists(st.binary(max_size=60).filter(lambda piece: b"\n" not in piece), max_size=6))
def test_no_bytes_whatever_stop_the_import_or_hide_the_row_after_them(tmp_path: Path, garbage: list[bytes]) -> None:
    rows = rows_of(goodbooks(tmp_path, *garbage, goodbooks_line(77)))

    assert [row.source for row in rows if isinstance(row, BookRecord)][-1] == "goodbooks:77"


def test_the_longest_row_that_is_read(tmp_path: Path) -> None:
    line = goodbooks_line(1)
    fits = line.replace("https://covers.example/m/1.jpg", "https://covers.example/m/" + "x" * (MAX_ROW_BYTES - 10_000))
    start, _, end = fits.partition("/m/")
    exact = start + "/m/" + "x" * (MAX_ROW_BYTES - 1 - len(fits)) + end

    rows = rows_of(goodbooks(tmp_path, exact, exact + "x"))

    assert len(exact) + 1 == MAX_ROW_BYTES
    assert failures_of(rows) == [(2, "url_too_long"), (3, "row_too_long")]


def test_a_disk_that_fails_half_way_stops_the_import_and_refuses_no_file(tmp_path: Path) -> None:
    # given: reading a folder fails as a broken disk does
    lines = LineFile(write(tmp_path / "stock.csv", ["x" * 99] * 1000))
    assert lines.read() is not None
    assert lines._file is not None
    folder = os.open(tmp_path, os.O_RDONLY)
    os.dup2(folder, lines._file.fileno())
    os.close(folder)

    # when
    with pytest.raises(OSError, match=r"/stock\.csv can't be read on: Is a directory\.$"):
        list(iter(lines.read, None))

    # then
    lines.close()
