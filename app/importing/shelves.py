"""Finds, and makes where they are missing, the categories that records name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.database import Database
from app.ids import CategoryId
from app.models.category import MAX_DEPTH, Category
from app.schemas.category import MAX_SLUG
from app.search.text import name_key, tokenise

_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SMALL_WORDS: Final = frozenset({"and", "of", "the", "in", "for", "to"})


class UnusableCategory(Exception):
    """A record names something that can't be a category; the message is a sentence."""


class Overtaken(Exception):
    """Another writer changed in the meantime what was seen of the catalogue: look again."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a book stands, as books keep it."""

    categories: list[dict[str, str]]
    path: list[CategoryId]


class Shelves:
    """The tree of categories, as far as this import knows it. Records name categories by path: `fiction/fantasy`."""

    def __init__(self, database: Database, *, dry_run: bool) -> None:
        """Look categories up here; a dry run makes none."""
        self._database = database
        self._dry_run = dry_run
        self._by_id: dict[str, Category] = {}
        self._by_slug: dict[str, Category] = {}
        self._by_name: dict[tuple[str | None, str], Category] = {}
        self._by_path: dict[str, Category] = {}

    async def load(self) -> None:
        """Read the whole tree, as it is now; what a dry run would have made is forgotten."""
        everything = await Category.everything()
        for known in (self._by_id, self._by_slug, self._by_name, self._by_path):
            known.clear()
        for category in everything:
            self._remember(category)

    async def place(self, paths: Sequence[str]) -> Placement:
        """Return the categories at these paths; the missing ones are made.

        A single step may be the id or slug of a category anywhere in the tree.

        Raises:
            UnusableCategory: a path has no letters or is too deep.
            Overtaken: somebody deleted or moved a category meanwhile; what was loaded is old.
        """
        found: dict[str, Category] = {}
        for path in paths:
            category = self._by_path.get(path)
            if category is None:
                category = self._by_path[path] = await self._at(path)
            found[category.id] = category
        refs = [{"id": one.id, "slug": one.slug, "name": one.name} for one in found.values()]
        return Placement(refs, sorted({step for category in found.values() for step in category.path}))

    async def _at(self, path: str) -> Category:
        steps = [step.strip() for step in path.split("/")]
        if len(steps) == 1 and steps[0] in self._by_id:
            return self._by_id[steps[0]]
        too_deep = UnusableCategory(f"The category {path[:60]!r} is more than {MAX_DEPTH} levels deep.")
        if len(steps) > MAX_DEPTH:
            raise too_deep
        above: Category | None = None
        for step in steps:
            slug = _slug(step)
            if not slug:
                raise UnusableCategory(f"The category {path[:60]!r} has a step without letters or digits.")
            if above is not None and len(above.path) == MAX_DEPTH:
                raise too_deep
            above = await self._below(above, slug, step)
        assert above is not None
        return above

    async def _below(self, above: Category | None, slug: str, step: str) -> Category:
        """Return the category of this step: by its slug, else by its name, else a new one under a slug that is free.

        The first step of a path is whatever has its slug, anywhere in the tree.
        """
        by_slug = self._by_slug.get(slug)
        named = self._by_name.get((above.id if above else None, name_key(step)))
        if named is not None and (by_slug is None or (above is not None and by_slug.parent_id != above.id)):
            return named
        candidates = _slugs(slug, above)
        while True:
            candidate = next(candidates)
            category = self._by_slug.get(candidate) or await self._made(step, candidate, above)
            if above is None or category.parent_id == above.id:
                return category

    async def _made(self, step: str, slug: str, above: Category | None) -> Category:
        moment = clock.now()
        category = Category(
            slug=slug,
            name=_name(step),
            parent_id=above.id if above else None,
            path=[],
            created_at=moment,
            updated_at=moment,
        )
        category.path = [*(above.path if above else []), category.id]
        if not self._dry_run:

            async def write(session: AsyncClientSession) -> None:
                if above is not None:
                    category.path = [*await _held_path(above.id, session), category.id]
                await category.put(session)

            try:
                await self._database.run_in_transaction(write)
            except DuplicateKeyError:
                # Somebody else made it just now; theirs is as good, if it is the same.
                theirs = await Category.of_reference(slug)
                if theirs is None:
                    raise Overtaken from None
                category = theirs
        self._remember(category)
        return category

    def _remember(self, category: Category) -> None:
        self._by_id[category.id] = category
        self._by_slug[category.slug] = category
        self._by_name[category.parent_id, name_key(category.name)] = category


async def _held_path(category_id: CategoryId, session: AsyncClientSession) -> list[CategoryId]:
    """Return the path of a category that something is to hang below, as it is now and stays until the commit."""
    category = await Category.get(category_id, session=session)
    if category is None or len(category.path) == MAX_DEPTH:
        raise Overtaken
    await Category.hold(category_id, session)
    return category.path


def _slugs(slug: str, above: Category | None) -> Iterator[str]:
    """Yield the slugs that a category may have, in turn: `history`, `fiction-history`, `fiction-history-2`, and on."""
    yield slug
    if above is not None:
        full = f"{above.slug}-{slug}"
        yield full[:MAX_SLUG].strip("-")
        for number in count(2):
            ending = f"-{number}"
            yield f"{full[: MAX_SLUG - len(ending)].strip('-')}{ending}"


def _slug(step: str) -> str:
    if _SLUG.fullmatch(step):
        return step[:MAX_SLUG].strip("-")
    return "-".join(word for word in tokenise(step) if word.isascii())[:MAX_SLUG].strip("-")


def _name(step: str) -> str:
    """Return the step as given, or where it is a slug, as a name: `science-fiction` is `Science Fiction`."""
    if not _SLUG.fullmatch(step):
        return step[:200]
    words = step.split("-")
    return " ".join(word if word in _SMALL_WORDS and at else word.capitalize() for at, word in enumerate(words))
