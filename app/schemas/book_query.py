"""Shapes what a client may ask of lists of books."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app.money import MAX_AMOUNT
from app.schemas.book import Format
from app.schemas.fields import IN_DIGITS, CategoryReference, Flag, Language, Line
from app.wording import spelt

Include = Literal["total"]
_Name = Annotated[Line, Field(max_length=200)]


class ListQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=100), IN_DIGITS] = 20
    # No length is too long: it may hold a title, which normalising makes up to eighteen times as long (U+FDFA); and one
    # that isn't ours is refused by its signature.
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before")] = None
    include: Annotated[list[Include], Field(max_length=1, description="`total` adds the count")] = []


class RelatedQuery(BaseModel):
    """How many of the books that go with one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=100), IN_DIGITS] = 20


class BookFilters(ListQuery):
    """What a list of books is narrowed to: values of one filter mean OR, filters among themselves AND."""

    category: Annotated[list[CategoryReference], Field(max_length=20, description="With all below it")] = []
    author: Annotated[list[_Name], Field(max_length=20)] = []
    language: Annotated[list[Language], Field(max_length=20)] = []
    publisher: Annotated[list[_Name], Field(max_length=20)] = []
    format: Annotated[list[Format], Field(max_length=4)] = []
    series: Annotated[list[_Name], Field(max_length=20)] = []
    price_min: Annotated[int | None, Field(ge=0, le=MAX_AMOUNT, description="Minor units"), IN_DIGITS] = None
    price_max: Annotated[
        int | None, Field(ge=0, le=MAX_AMOUNT, description="Minor units; not below `price_min`"), IN_DIGITS
    ] = None
    rating_min: Annotated[float | None, Field(ge=0, le=5, allow_inf_nan=False)] = None
    published_from: Annotated[int | None, Field(ge=-3000, le=2100), IN_DIGITS] = None
    published_to: Annotated[
        int | None, Field(ge=-3000, le=2100, description="Not before `published_from`"), IN_DIGITS
    ] = None
    in_stock: Flag | None = None

    @field_validator("price_max", "published_to")
    @classmethod
    def _above_its_lower_end(cls, most: int | None, info: ValidationInfo) -> int | None:
        lower = {"price_max": "price_min", "published_to": "published_from"}[str(info.field_name)]
        least: int | None = info.data.get(lower)
        if least is not None and most is not None and least > most:
            raise PydanticCustomError("range_empty", "must not be below {lower}", {"lower": lower})
        return most


class BookSort(StrEnum):
    """The fields that books can be sorted by."""

    TITLE = "title"
    PRICE = "price"
    PUBLISHED_YEAR = "published_year"
    RATING = "rating"
    POPULARITY = "popularity"
    CREATED_AT = "created_at"


_FIELD: Final = f"-?({'|'.join(BookSort)})"
SORT_FIELDS: Final = ", ".join(BookSort)
SORT_PATTERN: Final = spelt(
    f"^{_FIELD}(,{_FIELD}){{0,2}}$", f"must be up to three of {SORT_FIELDS}, such as -rating,price"
)


class BookListQuery(BookFilters):
    """Asks for a list of books."""

    sort: Annotated[
        str,
        Field(pattern=SORT_PATTERN, description="Up to three fields, `-` for descending", examples=["-rating,price"]),
    ] = "-popularity"
