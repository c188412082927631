"""Reads JSON lines: each a book as `POST /books` takes it, perhaps with stock, rating, popularity and cover."""

from collections.abc import Iterator

from pydantic import ValidationError

from app.importing.fields import RowInput, failure_of, shop_record
from app.importing.lines import LineFile
from app.importing.records import Row, RowFailure, WrongFile


class JsonLinesFile:
    """The rows of one file of JSON lines."""

    def __init__(self, file: LineFile) -> None:
        """Read from this file, whose first line must begin an object.

        Raises:
            WrongFile: it doesn't.
        """
        if not file.sample.lstrip().startswith("{"):
            raise WrongFile("The file doesn't hold JSON lines: each line must be an object, { … }.")
        self._file = file
        self.total = file.total

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def __iter__(self) -> Iterator[Row]:
        """Yield a record or a failure for each line that isn't blank."""
        try:
            while (line := self._file.read()) is not None:
                if line.code is not None:
                    yield RowFailure(line.number, line.code, line.detail)
                elif line.text.strip():
                    yield book_of(line.text, line=line.number)
        finally:
            self._file.close()


def book_of(text: str, *, line: int) -> Row:
    """Return the book in this JSON text."""
    try:
        fields = RowInput.model_validate_json(text)
    except ValidationError as error:
        return failure_of(error, line=line)
    return shop_record(fields, line=line, prefix="jsonl")
