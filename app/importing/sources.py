"""Opens a file in the format that it is in."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from app.importing.duplicates import WithoutDuplicates
from app.importing.generic_csv import GenericCsvFile
from app.importing.goodbooks import NEEDED, GoodbooksFile
from app.importing.json_lines import JsonLinesFile
from app.importing.lines import LineFile
from app.importing.records import RowSource

_JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})


class FileFormat(StrEnum):
    """The formats that can be imported."""

    GOODBOOKS = "goodbooks"
    CSV = "csv"
    JSONL = "jsonl"


def open_source(path: Path, file_format: FileFormat | None = None) -> RowSource:
    """Return the rows of a file, none of them twice; the format is guessed where none is given.

    Raises:
        WrongFile: the file can't be read, or not in this format.
    """
    file = LineFile(path)
    source: RowSource
    match file_format or guess_format(path, file.sample):
        case FileFormat.GOODBOOKS:
            source = GoodbooksFile(file)
        case FileFormat.CSV:
            source = GenericCsvFile(file)
        case FileFormat.JSONL:
            source = JsonLinesFile(file)
    return WithoutDuplicates(source)


def guess_format(path: Path, sample: str) -> FileFormat:
    """Return the format that the file's name and its beginning suggest."""
    if path.suffix.lower() in _JSON_SUFFIXES or sample.lstrip().startswith("{"):
        return FileFormat.JSONL
    header = {name.strip().strip('"') for name in sample.splitlines()[0].split(",")}
    return FileFormat.GOODBOOKS if header >= NEEDED else FileFormat.CSV
