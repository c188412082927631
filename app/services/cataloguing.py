"""Keeps the catalogue: staff create, replace, patch and archive books."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from app import clock
from app.cache import tags
from app.conditional import body_of, etag_of, require_match
from app.errors import FieldError, Gone, InvalidInput, IsbnTaken, NotFound
from app.idempotency import Answer, Attempt, Once, Writer
from app.merge_patch import apply_patch
from app.models.book import Book
from app.models.category import Category
from app.models.inventory import Inventory
from app.models.search_term import SearchTerm
from app.schemas.book import BookInput, BookView, LanguageUnknown
from app.search.text import index_fields


async def create_book(writer: Writer, given: BookInput, *, once: Once[BookView]) -> Answer:
    """Add a book with an empty stock; with an idempotency key, a repeat gives the first answer.

    Raises:
        IsbnTaken: another book has the ISBN.
        InvalidInput: a category that there isn't.
    """

    async def work(attempt: Attempt) -> BookView:
        moment = clock.now()
        fields = _own_fields(given) | await _category_fields(given, attempt.session)
        book = Book(**fields, created_at=moment, updated_at=moment)
        with _isbn_is_free():
            await book.add(attempt.session)
        await SearchTerm.note(book.search, session=attempt.session)
        await Inventory(id=book.id, updated_at=moment).insert(session=attempt.session)
        attempt.touch(tags.of_book(None, book.view()))
        return book.view()

    return await once.perform(writer, work)


async def replace_book(
    writer: Writer, book_id: str, given: BookInput, *, if_match: str | None, once: Once[BookView]
) -> Answer:
    """Replace every writable field of a book that the client saw as it is.

    Raises:
        NotFound, Gone: there is no such book any more.
        PreconditionRequired, PreconditionFailed: the client didn't see its current state.
        IsbnTaken, InvalidInput: as for `create_book`.
    """

    async def work(attempt: Attempt) -> BookView:
        book = await _seen_book(book_id, if_match, attempt.session)
        return await _rewrite(book, given, attempt)

    return await once.perform(writer, work)


async def patch_book(
    writer: Writer, book_id: str, patch: dict[str, Any], *, if_match: str | None, once: Once[BookView]
) -> Answer:
    """Change some fields of a book by a JSON merge patch (RFC 7396).

    Raises:
        InvalidInput: the patched book isn't valid; otherwise as `replace_book`.
    """

    async def work(attempt: Attempt) -> BookView:
        book = await _seen_book(book_id, if_match, attempt.session)
        writable = _writable(book)
        # One ISBN is derived from the other: a patch of one must not be held against the other's old value. To take the
        # short one away isn't to take the long one away.
        if "isbn13" in patch or patch.get("isbn10") is not None:
            writable |= {"isbn13": None, "isbn10": None}
        shape = LanguageUnknown if book.language is None and "language" not in patch else BookInput
        given = apply_patch(shape, writable, patch)
        return await _rewrite(book, given, attempt)

    return await once.perform(writer, work)


async def archive_book(writer: Writer, book_id: str, *, if_match: str | None, once: Once[None]) -> Answer:
    """Take a book out of the catalogue; orders keep their copy of it.

    Raises:
        NotFound, Gone, PreconditionRequired, PreconditionFailed: as for `replace_book`.
    """

    async def work(attempt: Attempt) -> None:
        book = await _seen_book(book_id, if_match, attempt.session)
        moment = clock.now()
        await book.become(book.model_copy(update={"archived_at": moment, "updated_at": moment}), attempt.session)
        attempt.touch(tags.of_book(book.view(), None))

    return await once.perform(writer, work)


async def remove_cover(writer: Writer, book_id: str, *, if_match: str | None, once: Once[None]) -> Answer:
    """Take a book's cover away.

    Raises:
        NotFound, Gone, PreconditionRequired, PreconditionFailed: as for `replace_book`.
    """

    async def work(attempt: Attempt) -> None:
        book = await _seen_book(book_id, if_match, attempt.session)
        bare = book.model_copy(update={"cover": None, "updated_at": clock.now()})
        await book.become(bare, attempt.session)
        attempt.touch(tags.of_book(book.view(), bare.view()))

    return await once.perform(writer, work)


def _writable(book: Book) -> dict[str, Any]:
    fields: dict[str, Any] = book.model_dump(mode="json", include=set(BookInput.model_fields))
    return fields | {"categories": [category.id for category in book.categories]}


async def _seen_book(book_id: str, if_match: str | None, session: AsyncClientSession) -> Book:
    book = await Book.of_id(book_id, session)
    if book is None:
        raise NotFound("There is no such book.")
    if book.archived_at is not None:
        raise Gone("This book is not sold any more.")
    require_match(if_match, etag_of(body_of(book.view())))
    return book


async def _rewrite(book: Book, given: BookInput, attempt: Attempt) -> BookView:
    fields = _own_fields(given)
    if given.categories != [category.id for category in book.categories]:
        fields |= await _category_fields(given, attempt.session)
    changed: Book = book.model_copy(update=fields | {"updated_at": clock.now()})
    with _isbn_is_free():
        await book.become(changed, attempt.session)
    if changed.search != book.search:
        await SearchTerm.note(changed.search, session=attempt.session)
    attempt.touch(tags.of_book(book.view(), changed.view()))
    return changed.view()


@contextmanager
def _isbn_is_free() -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError as error:
        raise IsbnTaken("Another book has this ISBN; it may be one that was archived.") from error


async def _category_fields(given: BookInput, session: AsyncClientSession) -> dict[str, Any]:
    categories = await Category.of_references(given.categories, session) if given.categories else []
    by_reference = {category.id: category for category in categories} | {c.slug: c for c in categories}
    unknown = [
        FieldError(f"/categories/{index}", "unknown_category", "There is no such category.")
        for index, reference in enumerate(given.categories)
        if reference not in by_reference
    ]
    if unknown:
        raise InvalidInput(*unknown)
    chosen = list({by_reference[reference].id: by_reference[reference] for reference in given.categories}.values())
    return {
        "categories": [category.ref() for category in chosen],
        "category_path": sorted({step for category in chosen for step in category.path}),
    }


def _own_fields(given: BookInput) -> dict[str, Any]:
    return {name: getattr(given, name) for name in BookInput.model_fields if name != "categories"} | {
        "search": index_fields(
            title=given.title,
            subtitle=given.subtitle,
            series_name=given.series.name if given.series else None,
            series_position=given.series.position if given.series else None,
            authors=given.authors,
            publisher=given.publisher,
            description=given.description,
            isbn13=given.isbn13,
            isbn10=given.isbn10,
        ),
    }
