"""Keeps the tree of categories: staff create, change, move and delete them; everybody sees them with counts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.cache import tags
from app.conditional import body_of, etag_of, require_match
from app.database import Database
from app.errors import CategoryInUse, Conflict, FieldError, InvalidInput, NotFound
from app.idempotency import Answer, Attempt, Once, Writer
from app.ids import CategoryId
from app.merge_patch import apply_patch
from app.models.book import Book
from app.models.category import MAX_DEPTH, Category
from app.pagination import Page, whole
from app.schemas.category import MAX_SLUG, CategoryInput, CategoryView
from app.search.text import tokenise

_WRITTEN_MEANWHILE: Final = timedelta(seconds=30)
"""Longer than a transaction may take that read a category as it was."""

_BOOKS_AT_ONCE: Final = 1_000
"""So many follow in one command, which takes a fraction of the time that one may."""


async def category_tree() -> Page[CategoryView]:
    """Return the roots by name, each with everything below it."""
    categories = await Category.everything()
    counts = await Book.counts_by_category([one.id for one in categories])
    below: dict[str | None, list[Category]] = {}
    for category in sorted(categories, key=lambda one: one.name.casefold()):
        below.setdefault(category.parent_id, []).append(category)

    def grown(category: Category) -> CategoryView:
        return _view(category, counts, [grown(child) for child in below.get(category.id, [])])

    return whole([grown(root) for root in below.get(None, [])])


async def get_category(reference: str) -> CategoryView:
    """Return the category with this id or slug, with everything below it.

    Raises:
        NotFound: there is none.
    """
    found = await Category.of_reference(reference)
    if found is None:
        raise NotFound("There is no such category.")
    return await _subtree(found)


async def create_category(writer: Writer, given: CategoryInput, *, once: Once[CategoryView]) -> Answer:
    """Add a category.

    Raises:
        Conflict: another one has the slug.
        InvalidInput: the parent doesn't exist, or the tree would get too deep.
    """

    async def work(attempt: Attempt) -> CategoryView:
        moment = clock.now()
        category = Category(
            slug=_slug(given),
            name=given.name,
            description=given.description,
            path=[],
            created_at=moment,
            updated_at=moment,
        )
        placed = await _placed(category, given.parent, attempt.session)
        await _write(placed, attempt.session)
        attempt.touch(tags.of_categories())
        return _view(placed, {}, [])

    return await once.perform(writer, work)


async def replace_category(
    writer: Writer, reference: str, given: CategoryInput, *, if_match: str | None, once: Once[CategoryView]
) -> Answer:
    """Replace a category's fields and give its books the new name; moving it takes along everything below it.

    The books follow after the commit and before the answer; where the program dies in between,
    `relabel_books` (a job) makes up for it.

    Raises:
        NotFound, PreconditionRequired, PreconditionFailed, Conflict, InvalidInput: as elsewhere.
    """
    return await _change(writer, reference, lambda _: given, if_match=if_match, once=once)


async def patch_category(
    writer: Writer, reference: str, patch: dict[str, Any], *, if_match: str | None, once: Once[CategoryView]
) -> Answer:
    """Change some of a category's fields by a JSON merge patch (RFC 7396); otherwise as `replace_category`."""

    def patched(category: Category) -> CategoryInput:
        fields = {
            "name": category.name,
            "slug": category.slug,
            "description": category.description,
            "parent": category.parent_id,
        }
        return apply_patch(CategoryInput, fields, patch)

    return await _change(writer, reference, patched, if_match=if_match, once=once)


async def delete_category(writer: Writer, reference: str, *, if_match: str | None, once: Once[None]) -> Answer:
    """Delete an empty category.

    Raises:
        CategoryInUse: books stand in it, or categories hang below it.
        NotFound, PreconditionRequired, PreconditionFailed: as elsewhere.
    """

    async def work(attempt: Attempt) -> None:
        category, session = await _seen(reference, if_match, attempt.session), attempt.session
        if await Category.has_children(category.id, session) or await Book.any_in_category(category.id, session):
            raise CategoryInUse("Books or categories are still in it; move them first.")
        await category.delete(session=session)
        attempt.touch(tags.of_categories())

    return await once.perform(writer, work)


async def relabel_books(database: Database) -> int:
    """Make every book's category names and paths what the categories say; return how many books that changed.

    A job: it finishes what a process that died in the middle of a change left undone, and reaches books that were
    written while their category changed, or was deleted. Where no category did, no book is looked at.
    """
    # A book and the deletion of a category that it is put in may both commit, since neither writes what the other does.
    # To make them meet, every new book of a category would have to write that category.
    named = await Book.categories_named()
    there = {one.id for one in await database.fresh(Category.everything)}  # read last, it lacks none that is new
    changed = await _let_books_follow(database, gone=[one for one in named if one not in there])
    for category in await Category.left_unfinished():
        begun = clock.now()
        changed += await _let_books_follow(database, below=[category.id])
        if category.updated_at < begun - _WRITTEN_MEANWHILE:
            await category.finish()
    return changed


async def _let_books_follow(database: Database, *, below: Sequence[str] = (), gone: Sequence[str] = ()) -> int:
    changed, books = 0, await Book.ids_below([*below, *gone])
    for start in range(0, len(books), _BOOKS_AT_ONCE):
        tree = [(one.ref(), one.path) for one in await database.fresh(Category.everything)]
        changed += await Book.follow(books[start : start + _BOOKS_AT_ONCE], tree, gone=gone)
    return changed


async def _change(
    writer: Writer,
    reference: str,
    wish: Callable[[Category], CategoryInput],
    *,
    if_match: str | None,
    once: Once[CategoryView],
) -> Answer:
    async def work(attempt: Attempt) -> CategoryView:
        session = attempt.session
        category = await _seen(reference, if_match, session)
        given = wish(category)
        changed = category.model_copy(
            update={
                "name": given.name,
                "slug": _slug(given),
                "description": given.description,
                "updated_at": clock.now(),
            }
        )
        below = await Category.below(category.id, session)
        height = len(below[-1].path) - len(category.path) + 1
        placed = await _placed(changed, given.parent, session, height=height)
        placed.unfinished |= (placed.ref(), placed.path) != (category.ref(), category.path)
        await _write(placed, session)
        paths = {placed.id: placed.path}
        for child in below[1:]:
            paths[child.id] = [*paths[CategoryId(str(child.parent_id))], child.id]
            if child.path != paths[child.id]:
                await child.model_copy(update={"path": paths[child.id]}).put(session)
        attempt.touch(tags.of_categories())
        return await _subtree(placed, session)

    answer = await once.perform(writer, work)
    moved = await Category.of_reference(CategoryView.model_validate_json(answer.body).id)
    if moved is not None and moved.unfinished:
        await _let_books_follow(writer.database, below=[moved.id])
        await writer.invalidator.touch(tags.of_categories())
    return answer


async def _seen(reference: str, if_match: str | None, session: AsyncClientSession) -> Category:
    category = await Category.of_reference(reference, session)
    if category is None:
        raise NotFound("There is no such category.")
    require_match(if_match, etag_of(body_of(await _subtree(category, session))))
    return category


async def _subtree(category: Category, session: AsyncClientSession | None = None) -> CategoryView:
    below = await Category.below(category.id, session)
    counts = await Book.counts_by_category([one.id for one in below], session=session)
    views: dict[str, CategoryView] = {}
    for one in reversed(below):
        children = sorted(
            (view for view in views.values() if view.parent_id == one.id), key=lambda view: view.name.casefold()
        )
        views[one.id] = _view(one, counts, children)
    return views[category.id]


def _view(category: Category, counts: Mapping[str, int], children: list[CategoryView]) -> CategoryView:
    return CategoryView(
        id=category.id,
        slug=category.slug,
        name=category.name,
        description=category.description,
        parent_id=category.parent_id,
        book_count=counts.get(category.id, 0),
        created_at=category.created_at,
        updated_at=category.updated_at,
        children=children,
    )


def _slug(given: CategoryInput) -> str:
    slug = given.slug or "-".join(tokenise(given.name))
    if not slug.isascii() or not slug:
        raise InvalidInput(FieldError("/slug", "slug_needed", "the name gives no slug; send one"))
    return slug[:MAX_SLUG].strip("-")


async def _placed(category: Category, parent: str | None, session: AsyncClientSession, *, height: int = 1) -> Category:
    above = await Category.of_reference(parent, session) if parent is not None else None
    if above is None and parent is not None:
        raise InvalidInput(FieldError("/parent", "unknown_category", "There is no such category."))
    path = above.path if above else []
    if category.id in path:
        raise InvalidInput(FieldError("/parent", "cycle", "A category can't hang below itself."))
    if len(path) + height > MAX_DEPTH:
        raise InvalidInput(FieldError("/parent", "too_deep", f"The tree is at most {MAX_DEPTH} levels deep."))
    if above:
        await Category.hold(above.id, session)
    placed: Category = category.model_copy(
        update={"parent_id": above.id if above else None, "path": [*path, category.id]}
    )
    return placed


async def _write(category: Category, session: AsyncClientSession) -> None:
    try:
        await category.put(session)
    except DuplicateKeyError as error:
        raise Conflict("Another category has this slug.") from error
