"""Files that a command writes at its end: one that can't be written is refused before the work, not after it."""

from pathlib import Path
from typing import Any

import typer


def output_file(name: str, *, help: str) -> Any:  # noqa: A002  Typer's own name
    """An option that names such a file."""
    return typer.Option(name, help=help, metavar="FILE", dir_okay=False, writable=True, callback=_in_a_folder)


def _in_a_folder(file: Path | None) -> Path | None:
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"There is no folder '{file.parent}'.")
    return file
