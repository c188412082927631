"""Keeps books, and every question that the program asks about them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from beanie import Document
from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import BOOK, BookId, CategoryId, new_id
from app.money import Money
from app.schemas.book import Availability, BookView, CategoryRef, Cover, Format, Rating, Series

Query = Mapping[str, Any]

PUBLIC_FIELDS: Final = {name: 1 for name in BookView.model_fields if name != "id"} | {"_id": 1}
"""The projection of a `BookView`."""

LIVE: Final[Query] = {"archived_at": None}


class SearchFields(BaseModel):
    """What search looks at: built by `app.search.text.index_fields`, never shown."""

    model_config = ConfigDict(frozen=True)

    terms: list[str] = []
    title: str = ""
    authors: str = ""
    series: str = ""
    author_keys: list[str] = []
    publisher_key: str | None = None
    series_key: str | None = None


class Book(Document):
    """A title that the shop sells, or sold: archived books stay for the orders that name them."""

    id: BookId = Field(default_factory=lambda: BookId(new_id(BOOK)))
    isbn13: str | None = None
    isbn10: str | None = None
    title: str
    subtitle: str | None = None
    authors: list[str]
    description: str | None = None
    categories: list[CategoryRef] = []
    category_path: Annotated[list[CategoryId], Field(description="Its categories and all above them")] = []
    language: str | None = None
    publisher: str | None = None
    published_year: int | None = None
    series: Series | None = None
    pages: int | None = None
    format: Format = Format.PAPERBACK
    price: Money
    availability: Availability = Availability.OUT_OF_STOCK
    rating: Rating = Rating()
    popularity: Annotated[int, Field(description="Ranks equals: how many readers rated it")] = 0
    cover: Cover | None = None
    source: Annotated[str | None, Field(description="Where an import took it from; one book per source")] = None
    archived_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    search: SearchFields = SearchFields()

    class Settings:
        """How it is stored."""

        name = "books"
        use_state_management = False

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("isbn13", unique=True, partialFilterExpression={"isbn13": {"$type": "string"}}),
        IndexModel("source", unique=True, partialFilterExpression={"source": {"$type": "string"}}),
        IndexModel([("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("price.amount", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("search.title", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("published_year", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("rating.average", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("category_path", ASCENDING), ("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("search.author_keys", ASCENDING), ("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("search.series_key", ASCENDING), ("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("search.publisher_key", ASCENDING), ("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("search.terms", ASCENDING), ("popularity", DESCENDING), ("_id", DESCENDING)]),
    ]

    @classmethod
    async def of_id(cls, book_id: str, session: AsyncClientSession | None = None) -> "Book | None":
        """Return the book, archived or not."""
        return await cls.find_one({"_id": book_id}, session=session)

    @classmethod
    async def public_document(cls, query: Query) -> dict[str, Any] | None:
        """Return the public fields and `archived_at` of the one book that the query names, archived or not."""
        found: dict[str, Any] | None = await cls.get_pymongo_collection().find_one(
            query, PUBLIC_FIELDS | {"archived_at": 1}
        )
        return found

    @classmethod
    async def views(cls, ids: Iterable[str]) -> dict[str, BookView]:
        """Return the live books with these ids, by id."""
        cursor = cls.get_pymongo_collection().find({"_id": {"$in": list(ids)}, **LIVE}, PUBLIC_FIELDS)
        return {document["_id"]: BookView.model_validate(document) async for document in cursor}

    @classmethod
    async def page(
        cls, query: Query, *, sort: Sequence[tuple[str, int]], limit: int
    ) -> list[dict[str, Any]]:
        """Return up to `limit` live books that match, as documents with the public fields and those sorted by."""
        projection = PUBLIC_FIELDS | {field.partition(".")[0]: 1 for field, _ in sort} | {"search.title": 1}
        cursor = cls.get_pymongo_collection().find({**LIVE, **query}, projection).sort(list(sort)).limit(limit)
        return await cursor.to_list(limit)

    @classmethod
    async def count_matching(cls, query: Query, *, at_most: int) -> int:
        """Return how many live books match, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents({**LIVE, **query}, limit=at_most)
