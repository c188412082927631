"""Gives an empty shop its first books: some three hundred well-known ones, from `starter.jsonl` in this package."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Final

from pydantic import Field

from app.importing.fields import RowInput, record_of
from app.importing.offers import offer_of
from app.importing.records import Row

_SHELVES: Final = """
fiction/classics fiction/fantasy fiction/science-fiction fiction/mystery fiction/romance fiction/historical
fiction/horror fiction/children fiction/young-adult fiction/poetry fiction/drama fiction/adventure
fiction/humour non-fiction/history non-fiction/science non-fiction/philosophy non-fiction/biography
non-fiction/psychology non-fiction/economics non-fiction/technology non-fiction/travel non-fiction/cooking
non-fiction/politics non-fiction/art
"""
CATEGORIES: Final = frozenset(_SHELVES.split())
"""The shelves that the starter books stand on."""


class StarterInput(RowInput):
    """A line of `starter.jsonl`: facts only; `language` is that of the edition whose title stands there."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class StarterCatalogue:
    """The starter books, as rows. `published_year` of ancient works is the year that most scholars guess."""

    def __init__(self) -> None:
        """Read the file."""
        self._lines = files("app.importing").joinpath("starter.jsonl").read_text(encoding="utf-8").splitlines()
        self.total = len(self._lines)
        self.done = 0

    def __iter__(self) -> Iterator[Row]:
        """Yield each book; price and stock by the rule in `offers.py`."""
        for number, line in enumerate(self._lines, start=1):
            fields = StarterInput.model_validate_json(line)
            source = f"starter:{fields.slug}"
            self.done = number
            yield record_of(fields, line=number, source=source, offer=offer_of(source))
