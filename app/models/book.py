"""Keeps books, and every question that the program asks about them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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
ARCHIVED: Final[Query] = {"archived_at": {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}}
"""`$gt` rather than `$ne`: MongoDB sees that it implies what the index of these alone asks for."""
ALL: Final[Query] = {}


class SearchFields(BaseModel):
    """What search looks at: built by `app.search.text.index_fields`, never shown."""

    model_config = ConfigDict(frozen=True)

    terms: list[str] = []
    named: Annotated[int, Field(description="How many leading terms name it: not from prose, not a number")] = 0
    title: str = ""
    authors: str = ""
    series: str = ""
    author_keys: list[str] = []
    publisher_key: str | None = None
    series_key: str | None = None


class Offer(BaseModel):
    """What a buyer needs to know of a book now."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[BookId, Field(validation_alias="_id")]
    title: str
    authors: list[str]
    isbn13: str | None
    price: Money
    archived_at: datetime | None

    @property
    def is_sold(self) -> bool:
        """Whether it can be ordered, stock permitting."""
        return self.archived_at is None


_OFFERED: Final = {name: 1 for name in Offer.model_fields if name != "id"}


class Book(Document):
    """A title that the shop sells, or sold: archived books stay for the orders that name them."""

    id: BookId = Field(default_factory=lambda: BookId(new_id(BOOK)))  # type: ignore[assignment]
    isbn13: str | None = None
    isbn10: str | None = None
    title: str
    subtitle: str | None = None
    authors: list[str]
    description: str | None = None
    categories: list[CategoryRef] = Field(default_factory=list)
    category_path: list[CategoryId] = Field(default_factory=list, description="Its categories and all above them")
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

    INDEXES: ClassVar[list[IndexModel]] = [
        # `$gt: ""` rather than `$type: "string"`: MongoDB sees that equality implies it, and uses the index.
        IndexModel("isbn13", unique=True, partialFilterExpression={"isbn13": {"$gt": ""}}),
        IndexModel("source", unique=True, partialFilterExpression={"source": {"$gt": ""}}),
        IndexModel([("popularity", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("price.amount", ASCENDING), ("_id", ASCENDING)]),
        IndexModel("archived_at", partialFilterExpression=ARCHIVED),
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
    async def offers(cls, ids: Iterable[str], session: AsyncClientSession | None = None) -> dict[str, Offer]:
        """Return what is offered under these ids, by id; archived books are among them."""
        wanted, collection = list(ids), cls.get_pymongo_collection()
        if len(wanted) == 1:
            # Most orders have one line, and one document by its id is the least work for driver and server.
            found = [await collection.find_one({"_id": wanted[0]}, _OFFERED, session=session)]
        else:
            found = await collection.find({"_id": {"$in": wanted}}, _OFFERED, session=session).to_list()
        return {document["_id"]: Offer.model_validate(document) for document in found if document is not None}

    @classmethod
    async def page(
        cls,
        query: Query,
        *,
        sort: Sequence[tuple[str, int]],
        limit: int,
        among: Query = LIVE,
        also: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Return up to `limit` books among the live ones (or others) that match.

        They are documents with the public fields, those sorted by, and those that are `also` asked for.
        """
        sorted_by = [field for field, _ in sort if "." not in field or field == "search.title"]
        projection = PUBLIC_FIELDS | dict.fromkeys([*sorted_by, *also], 1)
        cursor = cls.get_pymongo_collection().find({**among, **query}, projection).sort(list(sort)).limit(limit)
        return await cursor.to_list(limit)

    @classmethod
    async def sharing_anything(cls, book: BookView, *, at_most: int) -> list[dict[str, Any]]:
        """Return the most popular live books of its series, by its authors, and in its categories: so many of each."""
        found: dict[str, dict[str, Any]] = {}
        own = await cls.get_pymongo_collection().find_one({"_id": book.id}, {"search": 1, "category_path": 1})
        keys = (own or {}).get("search", {})
        ties: list[Query] = [
            {"search.series_key": keys.get("series_key")},
            {"search.author_keys": {"$in": keys.get("author_keys", [])}},
            {"category_path": {"$in": [category.id for category in book.categories]}},
        ]
        for tie in ties if book.series else ties[1:]:
            cursor = (
                cls.get_pymongo_collection()
                .find({**LIVE, **tie, "_id": {"$ne": book.id}}, PUBLIC_FIELDS | {"popularity": 1})
                .sort([("popularity", DESCENDING), ("_id", DESCENDING)])
                .limit(at_most)
            )
            found |= {document["_id"]: document async for document in cursor}
        return list(found.values())

    async def add(self, session: AsyncClientSession) -> None:
        """Write a new book.

        Raises:
            DuplicateKeyError: another book has its ISBN or source.
        """
        await self.get_pymongo_collection().insert_one(_stored(self), session=session)

    async def become(self, changed: "Book", session: AsyncClientSession) -> None:
        """Write what is different in the changed book, within the transaction that read this one.

        Three nodes look only at the indexes of what they are told has changed.

        Raises:
            DuplicateKeyError: another book has its ISBN or source.
        """
        before = _stored(self)
        different = {name: value for name, value in _stored(changed).items() if before[name] != value}
        await self.get_pymongo_collection().update_one({"_id": self.id}, {"$set": different}, session=session)

    @classmethod
    async def counts_by_category(
        cls, category_ids: Sequence[str], *, session: AsyncClientSession | None = None
    ) -> dict[str, int]:
        """Return how many live books stand in each of these categories or below it.

        The books of a category are counted in the index alone, and the archived ones, which are few, by a look at each:
        a look at every book takes longer than a request may, from half a million books on.
        """
        collection = cls.get_pymongo_collection()
        pipeline: list[dict[str, Any]] = [
            {"$match": {**ARCHIVED, "category_path": {"$in": list(category_ids)}}},
            {"$unwind": "$category_path"},
            {"$group": {"_id": "$category_path", "count": {"$sum": 1}}},
        ]
        archived = {row["_id"]: row["count"] async for row in await collection.aggregate(pipeline, session=session)}
        return {
            one: await collection.count_documents({"category_path": one}, session=session) - archived.get(one, 0)
            for one in category_ids
        }

    @classmethod
    async def any_in_category(cls, category_id: str, session: AsyncClientSession) -> bool:
        """Tell whether a live book stands in the category or below it."""
        found = await cls.get_pymongo_collection().find_one(
            {"category_path": category_id, **LIVE}, {"_id": 1}, session=session
        )
        return found is not None

    @classmethod
    async def categories_named(cls) -> list[str]:
        """Return the ids of all categories that any book stands in or below: a look at the index alone."""
        return await cls.get_pymongo_collection().distinct("category_path")

    @classmethod
    async def ids_below(cls, category_ids: Sequence[str]) -> list[str]:
        """Return the ids of the books that stand in these categories or below them, archived ones among them."""
        cursor = cls.get_pymongo_collection().find({"category_path": {"$in": list(category_ids)}}, {"_id": 1})
        return [row["_id"] async for row in cursor]

    @classmethod
    async def follow(
        cls, book_ids: Sequence[str], tree: Sequence[tuple[CategoryRef, list[CategoryId]]], *, gone: Sequence[str] = ()
    ) -> int:
        """Let books say of their categories what the tree says, and leave those that are gone; return how many changed.

        `tree` gives every category with its path; a book that names a later one is left as it is. The database works
        out the values: read here and written there, they could undo what staff wrote in between.
        """
        ids = [ref.id for ref, _ in tree]
        refs, paths = {"$literal": [ref.model_dump() for ref, _ in tree]}, {"$literal": [path for _, path in tree]}
        kept = {"$filter": {"input": "$categories", "as": "one", "cond": {"$in": ["$$one.id", ids]}}}
        as_named = {"$arrayElemAt": [refs, {"$indexOfArray": [ids, "$$one.id"]}]}
        path = {"$arrayElemAt": [paths, {"$indexOfArray": [ids, "$$this.id"]}]}
        steps = {"$reduce": {"input": kept, "initialValue": [], "in": {"$setUnion": ["$$value", path]}}}
        later = {"$elemMatch": {"id": {"$nin": [*ids, *gone]}}}
        result = await cls.get_pymongo_collection().update_many(
            {"_id": {"$in": list(book_ids)}, "categories": {"$not": later}},
            [
                {
                    "$set": {
                        "categories": {"$map": {"input": kept, "as": "one", "in": as_named}},
                        "category_path": {"$sortArray": {"input": steps, "sortBy": 1}},
                    }
                }
            ],
        )
        return result.modified_count

    @classmethod
    async def set_availability(
        cls, book_id: str, availability: Availability, *, at: datetime, session: AsyncClientSession
    ) -> bool:
        """Show shoppers another availability; tell whether it is another one."""
        result = await cls.get_pymongo_collection().update_one(
            {"_id": book_id, "availability": {"$ne": availability.value}},
            {"$set": {"availability": availability.value, "updated_at": at}},
            session=session,
        )
        return result.modified_count == 1

    def view(self) -> BookView:
        """Return it as everybody sees it."""
        return BookView.model_validate(self, from_attributes=True)

    @classmethod
    async def count_matching(cls, query: Query, *, at_most: int, among: Query = LIVE) -> int:
        """Return how many books among the live ones (or others) match, counted up to `at_most`."""
        return await cls.get_pymongo_collection().count_documents({**among, **query}, limit=at_most)


def _stored(book: Book) -> dict[str, Any]:
    fields: dict[str, Any] = book.model_dump(mode="python", by_alias=True, exclude={"id"})
    return {"_id": book.id} | fields
