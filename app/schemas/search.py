"""Shapes what a client may ask of search, and what it gets."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.ids import BookId
from app.schemas.book import BookView
from app.schemas.book_query import SORT_FIELDS, SORT_PATTERN, BookFilters
from app.schemas.fields import IN_DIGITS, Line
from app.wording import spelt

RELEVANCE: Final = "relevance"
MAX_QUERY: Final = 200


class Facet(StrEnum):
    """What the books found can be counted by."""

    CATEGORY = "category"
    AUTHOR = "author"
    LANGUAGE = "language"
    FORMAT = "format"
    PRICE = "price"
    RATING = "rating"


_FACET: Final = f"({'|'.join(Facet)})"
_Facets = Annotated[
    str,
    Field(
        pattern=spelt(f"^{_FACET}(,{_FACET}){{0,5}}$", f"must be up to six of {', '.join(Facet)}, with commas between")
    ),
]


class SearchQuery(BookFilters):
    """Asks for books by words."""

    q: Annotated[
        Line,
        Field(
            max_length=MAX_QUERY,
            description="Words of titles, subtitles, series, authors and descriptions, or an ISBN; the last word may be"
            " unfinished, accents may be missing, each word may have a typing mistake. Twelve words are looked at",
            examples=["hungre games"],
        ),
    ]
    sort: Annotated[
        str,
        Field(
            pattern=spelt(
                f"^{RELEVANCE}$|{SORT_PATTERN}",
                f"must be {RELEVANCE}, or up to three of {SORT_FIELDS}, such as -rating,price",
            ),
            description="`relevance`, or up to three fields, `-` for descending",
            examples=["-rating,price"],
        ),
    ] = RELEVANCE
    facets: Annotated[
        list[_Facets],
        Field(
            max_length=len(Facet),
            description="What to count the books found by",
            examples=[["category,author,language,format,price,rating"]],
        ),
    ] = Field(default_factory=list)

    @property
    def wanted_facets(self) -> tuple[Facet, ...]:
        """The facets asked for, once each."""
        return tuple(dict.fromkeys(Facet(name) for names in self.facets for name in names.split(",")))


class Highlight(BaseModel):
    """The names that the query's words are in, as HTML: `<em>` around those words, everything else escaped."""

    model_config = ConfigDict(frozen=True)

    title: str | None = Field(None, examples=["The <em>Hunger</em> <em>Games</em>"])
    subtitle: str | None = None
    authors: list[str] | None = None
    series: str | None = None


class SearchHit(BookView):
    """A book that was found."""

    highlight: Highlight | None = None


class FacetValue(BaseModel):
    """A value that books share; `value` is what the filter of the facet's name takes."""

    model_config = ConfigDict(frozen=True)

    value: str
    label: str | None = Field(None, description="The value for people, where that is another")
    count: int


class FacetRange(BaseModel):
    """A range of values, both ends included; null means open."""

    model_config = ConfigDict(frozen=True)

    min: float | int | None = Field(description="For the filter `price_min`, or `rating_min`")
    max: float | int | None = Field(description="For the filter `price_max`")
    count: int


class Facets(BaseModel):
    """How many of the books found have which value; a filter on a facet doesn't narrow that facet itself."""

    model_config = ConfigDict(frozen=True)

    relation: Annotated[
        Literal["eq", "gte"],
        Field(description="`eq`: all were counted; `gte`: the thousand most popular were"),
    ]
    category: list[FacetValue] | None = None
    author: list[FacetValue] | None = None
    language: list[FacetValue] | None = None
    format: list[FacetValue] | None = None
    price: list[FacetRange] | None = None
    rating: Annotated[list[FacetRange] | None, Field(description="Each with all above it")] = None


class SuggestQuery(BaseModel):
    """Asks for completions of what somebody is typing: twenty at most, since nobody who types reads more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Annotated[Line, Field(max_length=MAX_QUERY, examples=["harry p"])]
    limit: Annotated[int, Field(ge=1, le=20), IN_DIGITS] = 10


class Suggestion(BaseModel):
    """A title, an author or a series that goes on as somebody began."""

    model_config = ConfigDict(frozen=True)

    type: Literal["title", "author", "series"]
    text: str
    book_id: BookId | None = Field(None, description="The book, where the text is its title")
