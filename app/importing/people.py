"""Splits a line of authors into names."""

import re
from typing import Final

from app.importing.records import Note

_SPACE: Final = re.compile(r"\s+")
_SUFFIX: Final = re.compile(r"(?:Jr|Sr|I{2,3}|IV|Ph\.?\s?D|M\.?D|Esq)\.?", re.IGNORECASE)
_ROLES: Final = (
    "author|editor|ed|illustrator|illustrations|translator|translation|introduction|foreword|preface|afterword|contributor|"
    "photographer|narrator|reader|adapter|adaptation|compiler|artist|goodreads author|pseudonym"
)
_ROLE: Final = re.compile(rf"\s*[(\[]\s*(?:{_ROLES})\.?\s*[)\]]\s*$", re.IGNORECASE)


def split_authors(raw: str) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the names in order, each once, without roles, and what was done.

    Names are separated by commas; “Jr.” after a comma belongs to the name before it.
    """
    names: list[str] = []
    notes: list[Note] = []
    for piece in raw.split(","):
        spaced = _SPACE.sub(" ", piece).strip()
        if spaced != piece.strip():
            notes.append(Note("author_spaces_cleaned", spaced))
        name = _ROLE.sub("", spaced)
        if name != spaced:
            notes.append(Note("author_role_left_out", spaced))
        if not name:
            continue
        if names and _SUFFIX.fullmatch(name):
            names[-1] = f"{names[-1]} {name}"
        elif name.casefold() in {known.casefold() for known in names}:
            notes.append(Note("author_repeated", name))
        else:
            names.append(name)
    return tuple(names), tuple(notes)
