"""Keeps the tree of categories, and every question that the program asks about it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, ClassVar, Final

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import CATEGORY, CategoryId, new_id
from app.schemas.book import CategoryRef

MAX_DEPTH: Final = 8
"""The tree's levels."""


class Category(Document):
    """A shelf of the shop; `path` leads from the root down to it, itself included."""

    id: CategoryId = Field(default_factory=lambda: CategoryId(new_id(CATEGORY)))  # type: ignore[assignment]
    slug: str
    name: str
    description: str | None = None
    parent_id: CategoryId | None = None
    path: Annotated[list[CategoryId], Field(description="The ids from the root to itself")]
    unfinished: Annotated[bool, Field(description="Its books may not say yet what it says")] = False
    created_at: datetime
    updated_at: datetime

    class Settings:
        """How it is stored."""

        name = "categories"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel("slug", unique=True),
        IndexModel([("path", ASCENDING)]),
        IndexModel([("parent_id", ASCENDING)]),
        IndexModel("unfinished", partialFilterExpression={"unfinished": True}),
    ]

    @classmethod
    async def of_reference(cls, reference: str, session: AsyncClientSession | None = None) -> "Category | None":
        """Return the category with this id or slug."""
        return await cls.find_one({"$or": [{"_id": reference}, {"slug": reference}]}, session=session)

    @classmethod
    async def of_references(
        cls, references: Iterable[str], session: AsyncClientSession | None = None
    ) -> "list[Category]":
        """Return the categories with these ids or slugs, in no order."""
        wanted = list(references)
        query = {"$or": [{"_id": {"$in": wanted}}, {"slug": {"$in": wanted}}]}
        return await cls.find(query, session=session).to_list()

    @classmethod
    async def everything(cls) -> "list[Category]":
        """Return the whole tree, by slug."""
        return await cls.find({}).sort([("slug", SortDirection.ASCENDING)]).to_list()

    @classmethod
    async def below(cls, category_id: str, session: AsyncClientSession | None = None) -> "list[Category]":
        """Return the category and all below it, parents before children."""
        found = await cls.find({"path": category_id}, session=session).to_list()
        return sorted(found, key=lambda category: len(category.path))

    @classmethod
    async def has_children(cls, category_id: str, session: AsyncClientSession | None = None) -> bool:
        """Tell whether another category hangs below it."""
        return await cls.find_one({"parent_id": category_id}, session=session) is not None

    @classmethod
    async def hold(cls, category_id: str, session: AsyncClientSession) -> None:
        """Make every other transaction fail that changes, moves or deletes this category, or puts one below it.

        Two transactions that only read each other's categories would both commit: moves could then make a cycle.
        """
        await cls.get_pymongo_collection().update_one({"_id": category_id}, {"$inc": {"held": 1}}, session=session)

    @classmethod
    async def left_unfinished(cls) -> "list[Category]":
        """Return the categories whose books may not say yet what they say."""
        return await cls.find({"unfinished": True}).to_list()

    async def finish(self) -> None:
        """Note that its books say what it says, unless it was changed in the meantime."""
        seen = {"_id": self.id, "updated_at": self.updated_at}
        await self.get_pymongo_collection().update_one(seen, {"$set": {"unfinished": False}})

    def ref(self) -> CategoryRef:
        """Return what books keep of it."""
        return CategoryRef(id=self.id, slug=self.slug, name=self.name)

    async def put(self, session: AsyncClientSession) -> None:
        """Write the category whole, new or not, within a transaction that read it.

        Raises:
            DuplicateKeyError: another category has its slug.
        """
        document = self.model_dump(by_alias=True, exclude={"id"}) | {"_id": self.id}
        await self.get_pymongo_collection().replace_one({"_id": self.id}, document, upsert=True, session=session)
