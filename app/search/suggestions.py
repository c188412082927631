"""Completes what somebody is typing to titles, authors and series."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from app.models.book_search import RANKED_FIELDS
from app.schemas.search import Suggestion
from app.search.ranking import Ranked
from app.search.text import normalise
from app.search.understanding import Reading

FIELDS: Final[Mapping[str, int]] = {**RANKED_FIELDS, "title": 1, "authors": 1, "series.name": 1}
CANDIDATES: Final = 60
"""The most popular books with the words are enough: a shopper sees ten lines."""

_NAMES: Final = 3


def suggestions(ranked: Iterable[Ranked], *, reading: Reading, limit: int) -> list[Suggestion]:
    """Return up to `limit` completions, best first: three authors and three series at most, each text once."""
    kept: dict[tuple[str, str], Suggestion] = {}
    room: dict[str, int] = {"author": _NAMES, "series": _NAMES, "title": limit}
    for hit in ranked:
        for one in _of(hit, reading):
            key = (one.type, normalise(one.text))
            if key not in kept and room[one.type]:
                kept[key] = one
                room[one.type] -= 1
                if len(kept) == limit:
                    return list(kept.values())
    return list(kept.values())


def _of(hit: Ranked, reading: Reading) -> Iterable[Suggestion]:
    document = hit.document
    names: list[tuple[Literal["author", "series"], str]] = [("author", name) for name in document["authors"]]
    series = (document.get("series") or {}).get("name")
    if series:
        names.append(("series", series))
    said = [Suggestion(type=kind, text=name) for kind, name in names if _says_all(normalise(name), reading)]
    title = Suggestion(type="title", text=document["title"], book_id=document["_id"])
    if not said or _says_all(document["search"]["title"], reading):
        return [title, *said] if _begins_alike(document, reading) else [*said, title]
    return said


def _says_all(name: str, reading: Reading) -> bool:
    words = name.split()
    return all(any(group.fit(word) for word in words) for group in reading.groups if group.decides)


def _begins_alike(document: Mapping[str, Any], reading: Reading) -> bool:
    first = document["search"]["title"].partition(" ")[0]
    return bool(reading.groups and reading.groups[0].fit(first))
