"""Lifts the series out of titles such as “Catching Fire (The Hunger Games, #2)”."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.importing.records import Note

_SPACE: Final = re.compile(r"\s+")
_DASH: Final = r"[-\u2013]"
_NUMBER: Final = r"[0-9]{1,4}(?:\.[0-9]{1,2})?"
_RANGE: Final = rf"{_NUMBER}(?:\s*{_DASH}\s*{_NUMBER})?"
_ENTRY: Final = re.compile(
    rf"""\s*(?:Includes:\s*)?
    (?P<name>[^#]*?[^\s,#])            # the series, without the comma before its number
    \s*,?\s*\#\s*
    (?P<numbers>{_RANGE}(?:\s*[+,&]\s*\#?\s*{_RANGE}(?![\d/]))*)
    (?![\d/.])
    (?P<part>\s*[:;,]\s*Part\s+\d+(?:\s+of\s+\d+)?)?
    \s*(?:[;,]|$)""",
    re.VERBOSE,
)
_SPLIT: Final = re.compile(r"\s*[+,&]\s*#?\s*")


@dataclass(frozen=True, slots=True)
class TitleParts:
    """A title without its series, the series where there is one, and what was done."""

    title: str
    series_name: str | None
    series_position: str | None
    notes: tuple[Note, ...]


def split_title(raw: str) -> TitleParts:
    """Return the title with single spaces and without its series, which must stand in parentheses at the end, with #.

    Of several series the first is taken. Parentheses that name no numbered series stay in the title, and so does which
    part of a divided volume this is (“#3; Part 2”).
    """
    title = _SPACE.sub(" ", raw).strip()
    notes = [Note("title_spaces_cleaned", "Surplus spaces were taken out of the title.")] if title != raw else []
    found = _last_parentheses(title) if "#" in title else None
    if found is None:
        return TitleParts(title, None, None, tuple(notes))
    bare, inside = found
    entries = _entries(inside)
    if not bare or not entries:
        return TitleParts(title, None, None, tuple(notes))
    first = entries[0]
    name, position = first["name"], _position(first["numbers"])
    notes.append(Note("series_lifted", f"({inside})"))
    if position is None:
        notes.append(Note("series_position_left_out", f"#{first['numbers']} is no single number or range."))
    if len(entries) > 1:
        further = "; ".join(f"{entry['name']} #{entry['numbers']}" for entry in entries[1:])
        notes.append(Note("further_series_left_out", further))
    part = (first["part"] or "").lstrip(" :;,")
    if part and part.split(" of ")[0].casefold() not in bare.casefold():
        bare = f"{bare} ({part})"
    return TitleParts(bare, name, position, tuple(notes))


def _last_parentheses(title: str) -> tuple[str, str] | None:
    """Return what stands before and in the parentheses at the end, which may contain others."""
    if not title.endswith(")"):
        return None
    depth = 0
    for index in range(len(title) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(title[index], 0)
        if depth == 0:
            return title[:index].strip(), title[index + 1 : -1].strip()
    return None


def _entries(inside: str) -> list[dict[str, str | None]]:
    """Return each “name, #number” of the parentheses; nothing where a part of them is something else."""
    entries: list[dict[str, str | None]] = []
    start = 0
    while start < len(inside):
        match = _ENTRY.match(inside, start)
        if match is None:
            return []
        entries.append(match.groupdict())
        start = match.end()
    return entries


def _position(numbers: str | None) -> str | None:
    """Return one number or range as written, or the range that contains all the others; else None."""
    ranges = [[Decimal(end) for end in re.split(rf"\s*{_DASH}\s*", part)] for part in _SPLIT.split(numbers or "")]
    for ends in ranges:
        if all(ends[0] <= other[0] and other[-1] <= ends[-1] for other in ranges):
            return "-".join(str(end) for end in ends)
    return None
