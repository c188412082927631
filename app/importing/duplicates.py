"""Refuses rows that repeat an earlier row's book within one file."""

from collections.abc import Iterator
from hashlib import blake2b

from app.importing.records import BookRecord, Row, RowFailure, RowSource


class WithoutDuplicates:
    """The rows of another source, where a repeated source key or ISBN is a failure that names the first line.

    It remembers 64 bits for each key and each ISBN seen, about 200 bytes a row in memory.
    """

    def __init__(self, rows: RowSource) -> None:
        """Take the rows from this source."""
        self._rows = rows
        self.total = rows.total

    @property
    def done(self) -> int:
        """How far the other source is."""
        return self._rows.done

    def __iter__(self) -> Iterator[Row]:
        """Yield each row, or a failure in its place."""
        first_lines: dict[int, int] = {}
        for row in self._rows:
            yield _refused(row, first_lines) or row if isinstance(row, BookRecord) else row


def _refused(record: BookRecord, first_lines: dict[int, int]) -> RowFailure | None:
    keys = [("duplicate_source", "book", record.source)]
    if record.isbn13 is not None:
        keys.insert(0, ("duplicate_isbn", "ISBN", record.isbn13))
    fingerprints = [_fingerprint(f"{code}:{key}") for code, _, key in keys]
    for (code, word, key), fingerprint in zip(keys, fingerprints, strict=True):
        if fingerprint in first_lines:
            detail = f"The {word} {key} is on line {first_lines[fingerprint]} already."
            return RowFailure(record.line, code, detail, record.notes)
    for fingerprint in fingerprints:
        first_lines[fingerprint] = record.line
    return None


def _fingerprint(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
