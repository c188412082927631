"""Shapes categories as the API takes and gives them."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from app.ids import CategoryId
from app.schemas.fields import CategoryReference, Line, Prose, Timestamp
from app.wording import spelt

MAX_SLUG: Final = 100
"""Characters."""

Slug = Annotated[
    str,
    Field(
        pattern=spelt(
            r"^[a-z0-9]+(-[a-z0-9]+)*$",
            "must be small letters and digits, with single hyphens between, such as science-fiction",
        ),
        max_length=MAX_SLUG,
        examples=["science-fiction"],
    ),
]


class CategoryInput(BaseModel):
    """Every field of a category that staff may write."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Line, Field(max_length=200)]
    slug: Annotated[Slug | None, Field(description="Made from the name where none is given")] = None
    description: Annotated[Prose, Field(max_length=2000)] | None = None
    parent: Annotated[CategoryReference | None, Field(description="Id or slug of the category above it")] = None


class TreeQuery(BaseModel):
    """Asks for the tree, which has neither pages nor filters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CategoryView(BaseModel):
    """A category, as everybody sees it."""

    model_config = ConfigDict(frozen=True)

    id: CategoryId
    slug: str
    name: str
    description: str | None
    parent_id: CategoryId | None
    book_count: Annotated[int, Field(description="Books in it and in all below it")]
    created_at: Timestamp
    updated_at: Timestamp
    children: "list[CategoryView]" = []
