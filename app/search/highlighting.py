"""Marks the words of a query in the names that they were found in."""

from collections.abc import Sequence
from html import escape

from app.schemas.book import BookView
from app.schemas.search import Highlight
from app.search.text import spans
from app.search.understanding import Reading


def highlight(book: BookView, reading: Reading) -> Highlight | None:
    """Return the book's names with the matching words in `<em>`; None where no name has one."""
    marked = Highlight(
        title=_marked(book.title, reading),
        subtitle=_marked(book.subtitle, reading),
        authors=_any_marked(book.authors, reading),
        series=_marked(book.series.name if book.series else None, reading),
    )
    return marked if marked.model_dump(exclude_none=True) else None


def _marked(text: str | None, reading: Reading) -> str | None:
    if not text:
        return None
    parts: list[str] = []
    at = 0
    for span in spans(text):
        if any(group.fit(span.token) for group in reading.groups):
            parts += [escape(text[at : span.start]), "<em>", escape(text[span.start : span.end]), "</em>"]
            at = span.end
    return "".join([*parts, escape(text[at:])]) if parts else None


def _any_marked(names: Sequence[str], reading: Reading) -> list[str] | None:
    marked = [_marked(name, reading) for name in names]
    return [new or escape(old) for new, old in zip(marked, names, strict=True)] if any(marked) else None
