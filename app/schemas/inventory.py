"""Shapes the stock as staff see and change it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.ids import BookId, MovementId, OrderId
from app.schemas.fields import Line, Timestamp

MAX_COPIES = 1_000_000


class InventoryView(BaseModel):
    """The stock of one book, in copies."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    book_id: BookId
    on_hand: Annotated[int, Field(description="On the shelf, held copies included")]
    held: Annotated[int, Field(description="On the shelf, and kept for orders that wait for their payment")]
    available: Annotated[int, Field(description="on_hand - held")]
    low_stock_threshold: int
    updated_at: Timestamp


class InventoryChange(BaseModel):
    """Puts copies in or takes them out (`delta`), or says how many there are (`set`)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {"required": [one], "properties": {one: {"type": "integer"}, other: {"type": "null"}}}
                for one, other in (("delta", "set"), ("set", "delta"))
            ]
        },
    )

    delta: Annotated[int | None, Field(strict=True, ge=-MAX_COPIES, le=MAX_COPIES)] = None
    set: Annotated[int | None, Field(strict=True, ge=0, le=MAX_COPIES)] = None
    reason: Annotated[Line, Field(max_length=500)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.delta is None) == (self.set is None):
            raise PydanticCustomError("one_of", "give either delta or set")
        return self


class MovementView(BaseModel):
    """One change of a book's stock."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: MovementId
    book_id: BookId
    kind: str
    delta: Annotated[int, Field(description="By how much on_hand changed")]
    held_delta: Annotated[int, Field(description="By how much held changed")]
    on_hand_after: int
    order_id: OrderId | None
    reason: str | None
    actor: str | None
    at: Timestamp
