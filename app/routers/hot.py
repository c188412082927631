"""Serves the reads that are asked most ahead of the framework, which works longer on a request than they do.

FastAPI matches a request against its routes twice, solves the endpoint's dependencies and validates its query: more
than twice the time in which Redis is asked and answers. What Redis holds was validated when it was made, and a book's
address has nothing to validate. Everything else goes on to the documented routes, which say the same.
"""

import re
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.answers import Public
from app.cache import tags
from app.lifespan import Resources
from app.services import browsing

_REFERENCE: Final = re.compile(r"bk_[0-9A-HJKMNP-TV-Z]{26}|[0-9][0-9-]{8,15}[0-9Xx]")
_BOOK: Final = "hot.book"
_LIST: Final = "hot.list"


@dataclass(frozen=True)
class _Template:
    """What requests are counted under: as the documented route."""

    path: str


class HotReads(BaseRoute):
    """The first route of the application. Books are answered whole; of lists only what Redis holds."""

    def __init__(self, app: FastAPI, *, prefix: str) -> None:
        """Stand before the routes of the application, which are under the prefix."""
        self._routes = app.router
        self._books = f"{prefix}/books/"
        self._book = _Template("/books/{book_id}")
        self._lists = {
            f"{prefix}{path}": (name, _Template(path))
            for path, name in (
                ("/books", tags.BOOKS),
                ("/books/search", tags.SEARCH),
                ("/books/suggest", tags.SUGGEST),
                ("/categories", tags.CATEGORIES),
            )
        }

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take each read of a list once, and of a book without a query."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return Match.NONE, {}
        path: str = scope["path"]
        if path in self._lists:
            # Asked for the second time, it is for the documented route.
            return (Match.NONE, {}) if _LIST in scope else (Match.FULL, {_LIST: self._lists[path]})
        if path.startswith(self._books) and not scope["query_string"]:
            reference = path[len(self._books) :]
            if _REFERENCE.fullmatch(reference):
                return Match.FULL, {_BOOK: reference}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the documented route do so."""
        resources: Resources = scope["app"].state.resources
        public = Public(Request(scope), resources.reads)
        if _BOOK in scope:
            reference: str = scope[_BOOK]
            scope["route"] = self._book
            response = await public(tags.name_of(reference), lambda: browsing.get_book(reference))
            await response(scope, receive, send)
            return
        name, template = scope[_LIST]
        kept = await public.kept(name)
        if kept is None:
            await self._routes.app(scope, receive, send)
            return
        scope["route"] = template
        await kept(scope, receive, send)
