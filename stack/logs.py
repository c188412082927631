"""Reads process logs, and keeps them from growing without end."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LARGEST_LOG = 20 << 20
_LAST_BYTES = 64 << 10
_PAUSE = 0.2


def rotate(log: Path, *, largest: int = LARGEST_LOG) -> bool:
    """Move a log that grew too large to `.1`, in place: its writer appends and goes on without noticing."""
    if not log.exists() or log.stat().st_size <= largest:
        return False
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)
    return True


def last_lines(log: Path, count: int) -> list[str]:
    """The end of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        return file.read().decode("utf-8", errors="replace").splitlines()[-count:] if count else []


def follow(log: Path) -> Iterator[str]:
    """New text as it comes, without end; starts over when the log was rotated."""
    position = log.stat().st_size
    while True:
        if log.stat().st_size < position:
            position = 0
        with log.open("rb") as file:
            file.seek(position)
            text = file.read()
        if text:
            position += len(text)
            yield text.decode("utf-8", errors="replace")
        else:
            time.sleep(_PAUSE)
