"""Cuts a file into lines of bounded length, whatever it holds."""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from app.importing.records import WrongFile

MAX_ROW_BYTES: Final = 1_048_576
"""A row longer than this (1 MiB) is reported and left out."""

_UTF8_BOM: Final = b"\xef\xbb\xbf"
_SAMPLE_BYTES: Final = 8192
_LARGEST_CONTROL: Final = 0x20
_TEXT_CONTROLS: Final = frozenset(b"\t\n\v\f\r\x1b")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, and its text, or the code and sentence that say why it has none."""

    number: int
    text: str
    code: str | None = None
    detail: str = ""


class LineFile:
    """The lines of one file. `done` counts the bytes read so far, `total` those of the file."""

    def __init__(self, path: Path) -> None:
        """Check that the file can be read and looks like text.

        Raises:
            WrongFile: it is missing, no regular file, unreadable, empty, or binary.
        """
        self._path = path
        self._file: BinaryIO | None = None
        self._returned: deque[Line] = deque()
        self._number = 0
        self.done = 0
        self.total = 0
        self.sample = self._look_at_the_start()

    def _look_at_the_start(self) -> str:
        try:
            if self._path.is_dir():
                raise WrongFile(f"{self._path} is a folder; name the file in it.")
            if self._path.exists() and not self._path.is_file():
                raise WrongFile(f"{self._path} is no regular file.")
            with self._path.open("rb") as file:
                self.total = os.fstat(file.fileno()).st_size
                start = file.read(_SAMPLE_BYTES).removeprefix(_UTF8_BOM)
        except FileNotFoundError:
            raise WrongFile(f"There is no file {self._path}.") from None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise WrongFile(f"{self._path} can't be read: {reason}.") from error
        if not start.strip():
            raise WrongFile(f"{self._path} is empty.")
        first_line = start.split(b"\n", 1)[0]
        if any(byte < _LARGEST_CONTROL and byte not in _TEXT_CONTROLS for byte in first_line):
            raise WrongFile(f"{self._path} is a binary file, or not in UTF-8.")
        return start.decode("utf-8", errors="replace")

    def give_back(self, lines: list[Line]) -> None:
        """Let these lines be read again, next."""
        self._returned.extendleft(reversed(lines))

    def read(self) -> Line | None:
        """Return the next line without its end, or None after the last one.

        Raises:
            OSError: the disk failed, with a sentence.
        """
        if self._returned:
            return self._returned.popleft()
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            raw = self._file.readline(MAX_ROW_BYTES + 1)
            length = len(raw)
            while raw and not raw.endswith(b"\n") and (rest := self._file.readline(MAX_ROW_BYTES)):
                raw = rest[-1:]
                length += len(rest)
        except OSError as error:
            raise OSError(f"{self._path} can't be read on: {error.strerror}.") from error
        if not raw:
            return None
        self._number += 1
        self.done += length
        if length > MAX_ROW_BYTES:
            detail = f"{length:,} bytes in one line; at most {MAX_ROW_BYTES:,} are read."
            return Line(self._number, "", "row_too_long", detail)
        return _decoded(self._number, raw.removeprefix(_UTF8_BOM) if self._number == 1 else raw)

    def close(self) -> None:
        """Close the file; reading begins anew after that."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._returned.clear()
        self._number = 0
        self.done = 0


def _decoded(number: int, raw: bytes) -> Line:
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Line(number, "", "bad_utf8", f"Byte {error.start + 1} of the line isn't UTF-8 ({error.reason}).")
    if "\x00" in text:
        return Line(number, "", "nul_byte", f"Character {text.index(chr(0)) + 1} of the line is NUL.")
    return Line(number, text)
