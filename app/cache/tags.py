"""Says which cached answers a change touches: the one registry of names.

A name stands for what is invalidated together: one book under its id or an ISBN, or a family of lists. HAProxy finds
the same names in paths (haproxy/haproxy.cfg).
"""

from collections.abc import Iterable
from typing import Final

from app.schemas.book import BookView
from app.schemas.fields import bare_isbn

BOOKS: Final = "books"
SEARCH: Final = "search"
SUGGEST: Final = "suggest"
CATEGORIES: Final = "categories"

EVERYTHING: Final = "catalogue"
"""Stands for every name at once."""

MANY: Final = 200
"""Above so many of the catalogue's names, everything is invalidated instead: one message in place of hundreds."""

_SESSION: Final = "session:"

Names = frozenset[str]


def name_of(reference: str) -> str:
    """Return the name of a book's answer under an id or an ISBN as the client spelled it."""
    return reference if "_" in reference else bare_isbn(reference)


def of_book(before: BookView | None, after: BookView | None) -> Names:
    """Return what a change of a book touches; `before` is None for a new book, `after` for an archived one."""
    if before == after:
        return frozenset()
    names = {BOOKS, SEARCH}
    for view in (before, after):
        if view is not None:
            names |= {name for name in (view.id, view.isbn13, view.isbn10) if name}
    if before is None or after is None or before.categories != after.categories:
        names.add(CATEGORIES)
    if before is None or after is None or _spoken(before) != _spoken(after):
        names.add(SUGGEST)
    return frozenset(names)


def of_availability(book: BookView) -> Names:
    """Return what a change of a book's availability touches."""
    return frozenset({BOOKS, SEARCH, *(name for name in (book.id, book.isbn13, book.isbn10) if name)})


def of_categories() -> Names:
    """Return what a change of a category touches: its name stands in its books."""
    return frozenset({EVERYTHING})


def of_session(session_id: str) -> str:
    """Return the name under which Redis and the replicas' memories keep a session."""
    return f"{_SESSION}{session_id}"


def of_sessions(session_ids: Iterable[str]) -> Names:
    """Return what a change or the end of these sessions touches."""
    return frozenset(map(of_session, session_ids))


def at_edges(names: Names) -> Names:
    """Return those of the names that HAProxy keeps answers under."""
    return frozenset(name for name in names if not name.startswith(_SESSION))


def in_memory(names: Names) -> Names:
    """Return those of the names that replicas keep in their own memory for a moment."""
    return names - at_edges(names)


def together(names: Names) -> Names:
    """Return the names, or the one name of everything where they are many.

    Sessions don't count: who opened hundreds would empty the catalogue's cache by ending them.
    """
    return frozenset({EVERYTHING}) if len(at_edges(names)) > MANY or EVERYTHING in names else names


def _spoken(view: BookView) -> tuple[object, ...]:
    """Return what suggestions are found by: all that the book's search terms are made of."""
    named = view.title, view.subtitle, tuple(view.authors), view.series
    return *named, view.description, view.isbn13, view.isbn10
