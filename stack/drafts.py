"""Writes a file so that its readers find the old text or the new one, and never a part; a full disk leaves the old."""

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write beside it, then put that in its place; twice is the same as once."""
    draft = file.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
