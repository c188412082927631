"""The command `import`: brings books in from a file, the starter catalogue, or a generator."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Annotated, Final, TextIO

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console

from app import clock
from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.cache.tags import EVERYTHING
from app.database import Database
from app.errors import BookstoreError
from app.importing.batches import RowVerdict, Verdict
from app.importing.imports import Tally, finish_import, has_books, import_rows
from app.importing.progress import ImportProgress, headline, summary
from app.importing.records import RowSource, WrongFile
from app.importing.sources import FileFormat, open_source
from app.importing.starter import StarterCatalogue
from app.importing.synthetic import SyntheticCatalogue
from app.settings import Settings, wrong_setting

ROWS_FAILED: Final = 1
WRONG_USAGE: Final = 2
STOPPED: Final = 3
"""The database stayed away, or the disk is full or failed: run it again and it goes on where it stopped."""

_PATIENCE_SECONDS: Final = 2.0
_SHOWN_FAILURES: Final = 10


def import_books(  # noqa: PLR0917  # Typer reads a command's options from its parameters
    file: Annotated[
        Path | None,
        typer.Argument(help="The file to import: goodbooks' books.csv, a CSV, or JSON lines.", show_default=False),
    ] = None,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="What the file is; guessed from its beginning if not given.")
    ] = None,
    starter: Annotated[  # noqa: FBT002
        bool, typer.Option("--starter", help="Import the starter catalogue: 323 well-known books.")
    ] = False,
    if_empty: Annotated[  # noqa: FBT002
        bool, typer.Option("--if-empty", help="With --starter: only into a shop without a single book.")
    ] = False,
    synthetic: Annotated[
        int | None, typer.Option("--synthetic", min=1, max=10_000_000, help="Import so many made-up books.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which made-up books: the same seed, the same books.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare every row, write nothing.")] = False,  # noqa: FBT002
    report: Annotated[
        Path | None, typer.Option("--report", help="Write what became of each row to this file, as JSON lines.")
    ] = None,
) -> None:
    """Import books. Importing the same again changes nothing, and continues an import that was cut short.

    Exit code 0: all is there. 1: some rows failed. 2: the file as a whole can't be imported. 3: stopped; run it again.

    Examples: `import books.csv --format goodbooks`, `import stock.csv --dry-run --report report.jsonl`,
    `import --synthetic 1000000 --seed 1`, `import --starter`.
    """
    speak = Console(stderr=True)
    try:
        source = _source(file, file_format, starter=starter, if_empty=if_empty, synthetic=synthetic, seed=seed)
        settings = _settings()
        with ExitStack() as stack:
            report_file = stack.enter_context(_opened(report, file)) if report else None
            tally = asyncio.run(_run(settings, source, report_file, if_empty=if_empty, dry_run=dry_run, speak=speak))
    except WrongFile as error:
        _say(speak, str(error))
        raise typer.Exit(WRONG_USAGE) from error
    except ValidationError as error:
        _say(speak, wrong_setting(error))
        raise typer.Exit(WRONG_USAGE) from error
    except (BookstoreError, OSError) as error:
        _say(speak, f"{error} What is imported stays; run the same command again to go on.")
        raise typer.Exit(STOPPED) from error
    except KeyboardInterrupt:
        _say(speak, "Stopped. What is imported stays; run the same command again to go on.")
        raise typer.Exit(STOPPED) from None
    if tally.verdicts[Verdict.FAILED]:
        raise typer.Exit(ROWS_FAILED)


def _source(
    file: Path | None,
    file_format: FileFormat | None,
    *,
    starter: bool,
    if_empty: bool,
    synthetic: int | None,
    seed: int,
) -> RowSource:
    if (file is not None) + starter + (synthetic is not None) != 1:
        raise WrongFile("Name one thing to import: a file, --starter, or --synthetic and a number.")
    if file is None and file_format is not None:
        raise WrongFile("--format goes with a file.")
    if if_empty and not starter:
        raise WrongFile("--if-empty goes with --starter.")
    if starter:
        return StarterCatalogue()
    if synthetic is not None:
        return SyntheticCatalogue(synthetic, seed=seed)
    assert file is not None
    return open_source(file, file_format)


def _settings() -> Settings:
    settings = Settings()
    if not settings.mongo_url.get_secret_value():
        raise WrongFile("Set BOOKSTORE_MONGO_URL to the replica set's address.")
    return settings


def _opened(report: Path, file: Path | None) -> TextIO:
    if file is not None and report.exists() and report.samefile(file):
        raise WrongFile(f"{report} is the file that is imported; write the report to another one.")
    try:
        return report.open("w", encoding="utf-8")
    except OSError as error:
        raise WrongFile(f"The report can't be written to {report}: {error.strerror}.") from error


async def _run(
    settings: Settings, source: RowSource, report: TextIO | None, *, if_empty: bool, dry_run: bool, speak: Console
) -> Tally:
    tally = Tally()
    started = clock.monotonic()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(settings))
        if if_empty and await has_books():
            _say(Console(), "The shop has books already; nothing was imported.")
            return tally
        shared = SharedStore(settings.cache_url.get_secret_value(), patience=_PATIENCE_SECONDS)
        stack.push_async_callback(shared.aclose)
        invalidator = Invalidator.of(settings, shared)

        async def show(_: Sequence[str]) -> None:
            await invalidator.touch(frozenset({EVERYTHING}), cause="import")

        with ImportProgress(source, tally, console=speak) as progress:
            async for row in import_rows(database, source, dry_run=dry_run, after_commit=show):
                tally.add(row)
                if report is not None:
                    report.write(_line(row))
                if row.verdict is Verdict.FAILED and tally.verdicts[Verdict.FAILED] <= _SHOWN_FAILURES:
                    _say(speak, f"line {row.line}: {row.code}: {row.detail}")
                progress.advance()
        seconds = clock.monotonic() - started
        if not dry_run:
            await finish_import(tally)
    if tally.verdicts[Verdict.FAILED] > _SHOWN_FAILURES:
        more = tally.verdicts[Verdict.FAILED] - _SHOWN_FAILURES
        _say(speak, f"… and {more:,} more rows failed; --report FILE names them all.")
    console = Console()
    _say(console, headline(tally, seconds=seconds, dry_run=dry_run))
    console.print(summary(tally, dry_run=dry_run))
    return tally


def _line(row: RowVerdict) -> str:
    said = {
        "line": row.line,
        "verdict": row.verdict.value,
        "book_id": row.book_id,
        "code": row.code,
        "detail": row.detail,
    }
    notes = [{"code": note.code, "detail": note.detail} for note in row.notes]
    present = {name: value for name, value in said.items() if value is not None}
    return orjson.dumps(present | {"notes": notes}, option=orjson.OPT_APPEND_NEWLINE).decode()


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run the command with the program's arguments, or these; its help and complaints call it by this name, if any."""
    command = typer.Typer(add_completion=False)
    command.command()(import_books)
    command(arguments, prog_name=name)
