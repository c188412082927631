"""Shapes orders as the API takes and gives them."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from app.ids import BookId, OrderId, UserId
from app.money import Money
from app.order_states import OrderStatus, PaymentStatus
from app.schemas.address import Address
from app.schemas.book_query import ListQuery
from app.schemas.cart import MAX_LINES, BookReference, Quantity
from app.schemas.fields import Line, Moment, Timestamp
from app.schemas.payment import PaymentMethod


class OrderItem(BaseModel):
    """So many copies of a book."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    book_id: BookReference
    quantity: Quantity


_ONE_ADDRESS: Final[list[JsonValue]] = [
    {"required": ["shipping_address"], "properties": {"address_id": {"type": "null"}}},
    {"required": ["address_id"], "properties": {"shipping_address": {"type": "null"}}},
]


class OrderInput(BaseModel):
    """Asks for an order. Prices, totals and whose it is are the shop's to say."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"oneOf": _ONE_ADDRESS},
    )

    shipping_address: Address | None = None
    address_id: Annotated[
        Annotated[Line, Field(max_length=40, json_schema_extra={"format": "address-id"})] | None,
        Field(description="One of one's own addresses, in place of `shipping_address`"),
    ] = None
    items: Annotated[
        list[OrderItem] | None,
        Field(min_length=1, max_length=MAX_LINES, description="What to order; the cart's lines if not given"),
    ] = None
    accept_prices: Annotated[bool, Field(strict=True, description="Order at today's prices, also changed ones")] = False
    payment_method: PaymentMethod | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.shipping_address is None) == (self.address_id is None):
            raise PydanticCustomError("one_of", "give either shipping_address or address_id")
        return self

    @model_validator(mode="after")
    def _each_book_once(self) -> Self:
        ids = [item.book_id for item in self.items or ()]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("book_twice", "name each book once, with how many copies")
        return self


class OrderLineView(BaseModel):
    """One book of an order, as it was when it was ordered."""

    model_config = ConfigDict(frozen=True)

    book_id: BookId
    title: str
    authors: list[str]
    isbn13: str | None
    unit_price: Money
    quantity: int
    line_total: Money


class OrderPayment(BaseModel):
    """What a client needs to pay an order."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: str
    client_secret: Annotated[str | None, Field(description="For the gateway's own form in the shopper's browser")]


class OrderView(BaseModel):
    """An order."""

    model_config = ConfigDict(frozen=True)

    id: OrderId
    number: Annotated[str, Field(description="Short, for people")]
    status: OrderStatus
    payment_status: PaymentStatus
    items: list[OrderLineView]
    subtotal: Money
    shipping: Money
    total: Money
    shipping_address: Address
    payment: Annotated[OrderPayment | None, Field(description="null until the gateway knows of it")]
    created_at: Timestamp
    updated_at: Timestamp


class AdminOrderView(BaseModel):
    """An order with whose it is and what became of its money."""

    model_config = ConfigDict(frozen=True)

    order: OrderView
    user_id: UserId
    captured: Money
    refunded: Money
    expires_at: Timestamp


class OrderEventView(BaseModel):
    """Something that happened to an order, and where it stood then."""

    model_config = ConfigDict(frozen=True)

    kind: str
    status: OrderStatus
    payment_status: PaymentStatus
    actor: Annotated[str, Field(description="`customer`, `staff`, `gateway` or `clock`")]
    reason: str | None
    amount: Annotated[Money | None, Field(description="Where money moved")]
    at: Timestamp


class Cancellation(BaseModel):
    """Why an order is cancelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[Line, Field(max_length=500)] | None = None


class Transition(BaseModel):
    """Where staff move an order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: OrderStatus


class AdminOrderQuery(ListQuery):
    """What the list of all orders is narrowed to: values of one filter mean OR, filters among themselves AND."""

    status: Annotated[list[OrderStatus], Field(max_length=10)] = Field(default_factory=list)
    payment_status: Annotated[list[PaymentStatus], Field(max_length=10)] = Field(default_factory=list)
    user_id: Annotated[list[Annotated[Line, Field(max_length=40)]], Field(max_length=20)] = Field(default_factory=list)
    number: Annotated[list[Annotated[Line, Field(max_length=20)]], Field(max_length=20)] = Field(default_factory=list)
    created_from: Moment | None = None
    created_to: Moment | None = None
