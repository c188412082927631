"""Shapes short lists that have no pages."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.fields import IN_DIGITS

T = TypeVar("T")


class Listing(BaseModel, Generic[T]):
    """Everything there is."""

    data: list[T]


class RelatedQuery(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=50), IN_DIGITS] = 10
