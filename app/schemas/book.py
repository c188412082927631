"""Shapes books as the API takes and gives them."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, computed_field, model_validator
from pydantic_core import PydanticCustomError

from app.ids import BookId, CategoryId
from app.money import Money
from app.schemas.fields import (
    CategoryReference,
    Isbn10,
    Isbn13,
    Language,
    Line,
    Prose,
    Timestamp,
    isbn10_of,
    parse_isbn,
)
from app.wording import spelt


class Format(StrEnum):
    """What one holds in one's hands."""

    HARDCOVER = "hardcover"
    PAPERBACK = "paperback"
    EBOOK = "ebook"
    AUDIOBOOK = "audiobook"


class Availability(StrEnum):
    """What shoppers learn of the stock; the exact count is staff's alone."""

    IN_STOCK = "in_stock"
    LOW_STOCK = "low_stock"
    OUT_OF_STOCK = "out_of_stock"


class Series(BaseModel):
    """The series that a book belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Line, Field(max_length=300)]
    position: Annotated[
        str | None,
        Field(
            pattern=spelt(
                r"^[0-9]{1,4}(\.[0-9]{1,2})?(-[0-9]{1,4}(\.[0-9]{1,2})?)?$",
                "must be a number or a range, such as 1, 0.5 or 1-3",
            ),
            description="Its number in the series; omnibus volumes have a range",
            examples=["1", "0.5", "1-3"],
        ),
    ] = None


class CategoryRef(BaseModel):
    """A category, as books name it."""

    model_config = ConfigDict(frozen=True)

    id: CategoryId
    slug: str
    name: str


class Rating(BaseModel):
    """What readers gave, from 1 to 5; the average of no ratings is 0."""

    model_config = ConfigDict(frozen=True)

    average: float = 0.0
    count: int = 0


class Cover(BaseModel):
    """Addresses of the cover's pictures."""

    model_config = ConfigDict(frozen=True)

    small: str
    large: str


class BookInput(BaseModel):
    """Every field of a book that staff may write."""

    model_config = ConfigDict(extra="forbid")

    isbn13: Isbn13 | None = Field(None, description="Derived from `isbn10` where only that is given")
    isbn10: Isbn10 | None = Field(None, description="Derived from `isbn13` where there is one")
    title: Annotated[Line, Field(max_length=500)]
    subtitle: Annotated[Line, Field(max_length=500)] | None = None
    authors: Annotated[list[Annotated[Line, Field(max_length=200)]], Field(min_length=1, max_length=50)]
    description: Annotated[Prose, Field(max_length=20_000)] | None = None
    categories: Annotated[
        list[CategoryReference],
        Field(max_length=20, description="Ids or slugs of categories that exist"),
    ] = []
    language: Language
    publisher: Annotated[Line, Field(max_length=200)] | None = None
    published_year: Annotated[
        int | None,
        Field(strict=True, ge=-3000, le=2100, description="Negative years are BCE"),
    ] = None
    series: Series | None = None
    pages: Annotated[int | None, Field(strict=True, ge=1, le=100_000)] = None
    format: Format = Format.PAPERBACK
    price: Money

    @model_validator(mode="after")
    def _complete_isbns(self) -> Self:
        given = self.isbn13 or (parse_isbn(self.isbn10) if self.isbn10 else None)
        if given is None:
            return self
        if self.isbn10 is not None and isbn10_of(given) != self.isbn10:
            raise PydanticCustomError("isbn_mismatch", "isbn10 and isbn13 are two different books' numbers")
        self.isbn13, self.isbn10 = given, isbn10_of(given)
        return self


class LanguageUnknown(BookInput):
    """The same for a book that was imported without a language; it stays so until somebody says which it is."""

    language: Language | None = None  # type: ignore[assignment]  # wider than the parent's, for this one purpose


class BookView(BaseModel):
    """A book, as everybody sees it."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[BookId, Field(validation_alias=AliasChoices("_id", "id"))]
    isbn13: str | None
    isbn10: str | None
    title: str
    subtitle: str | None
    authors: list[str]
    description: str | None
    categories: list[CategoryRef]
    language: str | None
    publisher: str | None
    published_year: int | None
    series: Series | None
    pages: int | None
    format: Format
    price: Money
    availability: Availability
    rating: Rating
    cover: Cover | None
    created_at: Timestamp
    updated_at: Timestamp

    @computed_field  # type: ignore[prop-decorator]  # Pydantic's documented form; mypy can't see through it
    @property
    def in_stock(self) -> bool:
        """Whether at least one copy can be bought now."""
        return self.availability is not Availability.OUT_OF_STOCK


class BatchGet(BaseModel):
    """Asks for many books at once."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Annotated[Line, Field(max_length=40)]], Field(min_length=1, max_length=100)]


class BatchView(BaseModel):
    """The books that there are, in the order asked for, and the ids of those that there aren't."""

    data: list[BookView]
    missing: list[str]
