"""The command line says in its exit code and in a sentence what became of the import."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.importing.cli import import_books
from app.lifespan import Resources
from app.models.book import Book
from app.settings import Settings
from tests.importing.files import goodbooks, goodbooks_line, write


def run(settings: Settings, *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command as a process of its own, on the tests' database."""
    result = subprocess.run(
        [sys.executable, "-m", "app.importing", *map(str, arguments)],
        env=os.environ | {"BOOKSTORE_MONGO_DATABASE": settings.mongo_database},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return result.returncode, result.stdout, result.stderr


def run_here(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the command in this process: for what is refused before the database is opened."""
    command = typer.Typer()
    command.command()(import_books)
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_rows_that_failed_make_exit_code_1_and_stand_in_the_report(
    shop: Resources, settings: Settings, tmp_path: Path
) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1, isbn="306406152"), "broken", goodbooks_line(3, language="en"))
    report = tmp_path / "report.jsonl"

    code, output, errors = run(settings, path, "--report", report)

    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert code == 1
    assert [(line["line"], line["verdict"], line.get("code")) for line in lines] == [
        (2, "created", None),
        (3, "failed", "wrong_columns"),
        (4, "created", None),
    ]
    assert lines[0]["book_id"].startswith("bk_")
    assert [note["code"] for note in lines[0]["notes"]] == ["isbn10_padded", "isbn13_derived", "language_mapped"]
    assert lines[0]["notes"][0]["detail"] == "306406152 is 0306406152"
    assert "line 3: wrong_columns: 1 cells where the header has 23." in errors
    assert output.startswith("3 rows in ")


def test_a_good_import_ends_with_exit_code_0_and_so_does_its_repetition(
    shop: Resources, settings: Settings, tmp_path: Path
) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1))

    assert run(settings, path, "--dry-run")[0] == 0
    assert run(settings, path)[0] == 0
    assert run(settings, path)[0] == 0


def test_a_report_is_never_written_over_the_file_that_is_imported(tmp_path: Path) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1))
    before = path.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(path)

    refused = [run_here(path, "--report", report) for report in (path, link)]

    assert [code for code, _, _ in refused] == [2, 2]
    assert all("is the file that is imported" in errors for _, _, errors in refused)
    assert path.read_bytes() == before


async def test_an_empty_shop_gets_the_starter_books_and_its_staffs_edits_stay(
    shop: Resources, settings: Settings
) -> None:
    assert (await asyncio.to_thread(run, settings, "--starter", "--if-empty"))[0] == 0
    assert await Book.find_all().count() == 323
    await Book.find_one({"source": "starter:emma"}).update({"$set": {"title": "Ours"}})

    code, output, _ = await asyncio.to_thread(run, settings, "--starter", "--if-empty")

    assert (code, output) == (0, "The shop has books already; nothing was imported.\n")
    assert await Book.find_all().count() == 323
    assert await Book.find_one({"source": "starter:emma", "title": "Ours"}) is not None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name one thing to import: a file, --starter, or --synthetic and a number."),
        (
            ("--starter", "--synthetic", "5"),
            "Name one thing to import: a file, --starter, or --synthetic and a number.",
        ),
        (("--starter", "--format", "csv"), "--format goes with a file."),
        (("--synthetic", "5", "--if-empty"), "--if-empty goes with --starter."),
        (("missing.csv",), "There is no file missing.csv."),
        (("missing.csv", "--format", "xml"), "Invalid value for '--format'"),
        (("--synthetic", "0"), "Invalid value for '--synthetic'"),
        ((".",), ". is a folder; name the file in it."),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    code, _, errors = run_here(*arguments)

    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_report_that_cannot_be_written_stops_before_anything_is_imported(
    shop: Resources, settings: Settings, tmp_path: Path
) -> None:
    path = goodbooks(tmp_path, goodbooks_line(1))

    code, _, errors = run(settings, path, "--report", tmp_path / "missing" / "report.jsonl")

    assert code == 2
    assert errors.replace("\n", "").endswith("No such file or directory.")


def test_a_missing_database_address_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BOOKSTORE_MONGO_URL", raising=False)
    monkeypatch.delenv("BOOKSTORE_MONGO_URL_FILE", raising=False)
    monkeypatch.setenv("BOOKSTORE_SECRET_KEY", "0123456789abcdefghijklmnopqrstuvwxyz")
    path = write(tmp_path / "stock.csv", ["title,authors,price", "Embers,Ann Ash,8.99"])

    code, _, errors = run_here(path)

    assert code == 2
    assert "Set BOOKSTORE_MONGO_URL to the replica set's address." in errors
