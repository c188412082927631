"""Shapes payments and refunds as the API takes and gives them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.ids import OrderId, PaymentId, RefundId, UserId
from app.money import MAX_AMOUNT, Currency, Money
from app.order_states import PaymentState
from app.schemas.book_query import ListQuery
from app.schemas.fields import Line, Timestamp
from app.wording import spelt

_Id = Annotated[Line, Field(max_length=40)]

PaymentMethod = Annotated[
    str,
    Field(
        pattern=spelt(
            r"^pm_[A-Za-z0-9_]{1,97}$",
            "must be the gateway's name of a payment method: pm_, then up to 97 letters, digits or _",
        ),
        description="A payment method of the gateway's, to pay with at once",
        examples=["pm_card_visa"],
    ),
]


class PaymentInput(BaseModel):
    """Asks for the payment of an order; the amount is the order's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: Annotated[_Id, Field(json_schema_extra={"format": "order-id"})]
    payment_method: PaymentMethod | None = None


class PaymentView(BaseModel):
    """The payment of an order."""

    model_config = ConfigDict(frozen=True)

    id: PaymentId
    order_id: OrderId
    status: PaymentState
    amount: Money
    captured: Annotated[Money, Field(description="What was taken")]
    refunded: Annotated[Money, Field(description="What was given back of it")]
    failure: Annotated[str | None, Field(description="Why the last attempt to pay was refused")]
    client_secret: Annotated[
        str | None, Field(description="For the gateway's own form in the payer's browser; shown to the payer alone")
    ]
    created_at: Timestamp
    updated_at: Timestamp


class AdminPaymentView(BaseModel):
    """A payment with whose it is, and what the gateway calls it."""

    model_config = ConfigDict(frozen=True)

    payment: PaymentView
    user_id: UserId
    intent_id: str | None


class PaymentQuery(ListQuery):
    """What the list of payments is narrowed to: of any of these orders."""

    order_id: Annotated[list[_Id], Field(max_length=20)] = Field(default_factory=list)


class AdminPaymentQuery(ListQuery):
    """What the list of all payments is narrowed to: values of one filter mean OR, filters among themselves AND."""

    status: Annotated[list[PaymentState], Field(max_length=7)] = Field(default_factory=list)
    user_id: Annotated[list[_Id], Field(max_length=20)] = Field(default_factory=list)
    order_id: Annotated[list[_Id], Field(max_length=20)] = Field(default_factory=list)


class RefundAmount(BaseModel):
    """An amount of at least one minor unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Annotated[
        int, Field(strict=True, ge=1, le=MAX_AMOUNT, description="Integer minor units, such as cents", examples=[500])
    ]
    currency: Currency


class RefundInput(BaseModel):
    """Asks to give back what was paid, or a part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Annotated[RefundAmount | None, Field(description="All that is left, if not given")] = None
    reason: Annotated[Line, Field(max_length=500)] | None = None
    elsewhere: Annotated[
        bool,
        Field(
            strict=True,
            description="The shop gave the money back in another way, such as a transfer: the payment provider isn't"
            " asked. Needs a `reason`, which says how",
        ),
    ] = False

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if self.elsewhere and not self.reason:
            raise PydanticCustomError("reason_needed", "needs a reason, which says how the money was given back")
        return self


class RefundView(BaseModel):
    """Money on its way back."""

    model_config = ConfigDict(frozen=True)

    id: RefundId
    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    status: Annotated[
        str,
        Field(
            description="`pending` until the gateway has it, then `succeeded` or `failed`; a bank may refuse days after"
            " `succeeded`, which then becomes `failed`"
        ),
    ]
    reason: str | None
    elsewhere: Annotated[bool, Field(description="Whether it was given without the payment provider")]
    created_at: Timestamp
    updated_at: Timestamp


class Heard(BaseModel):
    """That an event was noted."""

    received: bool
