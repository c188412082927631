"""Shapes carts as the API takes and gives them."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from app.ids import CART, BookId, CartId
from app.money import Money, Sum
from app.schemas.book import Availability
from app.schemas.fields import Line, Timestamp

MAX_QUANTITY: Final = 99
MAX_LINES: Final = 100

Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
BookReference = Annotated[Line, Field(max_length=40, json_schema_extra={"format": "book-id"})]
"""The id of a book that is sold."""


class CartItem(BaseModel):
    """Puts copies of a book in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    book_id: BookReference
    quantity: Quantity = 1


class CartQuantity(BaseModel):
    """Says how many copies of a book there shall be; 0 takes it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantity: Annotated[int, Field(strict=True, ge=0, le=MAX_QUANTITY)]


class CartToMerge(BaseModel):
    """Names the guest cart whose lines come into one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cart_token: Annotated[Line, Field(max_length=200)]


class CartProblem(StrEnum):
    """Why a line can't be ordered as it is."""

    PRICE_CHANGED = "price_changed"
    OUT_OF_STOCK = "out_of_stock"
    INSUFFICIENT_STOCK = "insufficient_stock"
    NOT_SOLD = "not_sold"


class CartLineView(BaseModel):
    """One book in a cart."""

    model_config = ConfigDict(frozen=True)

    book_id: BookId
    title: str
    authors: list[str]
    isbn13: str | None
    quantity: int
    unit_price: Annotated[Money, Field(description="What one copy costs now")]
    price_when_added: Annotated[Money, Field(description="What it cost when it was put in")]
    line_total: Sum
    availability: Availability
    problems: Annotated[list[CartProblem], Field(description="Why it can't be ordered as it is")]


class CartView(BaseModel):
    """What somebody is about to buy, at today's prices. Nothing is reserved by it."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[CartId | None, Field(description="null before anything was put in", examples=[f"{CART}_…"])]
    items: list[CartLineView]
    quantity: Annotated[int, Field(description="Copies in all")]
    subtotal: Annotated[Sum, Field(description="Without what isn't sold any more")]
    shipping: Money
    total: Sum
    updated_at: Timestamp | None


class GuestCart(CartView):
    """A guest's new cart, with the token to send as `X-Cart-Token`."""

    cart_token: str
