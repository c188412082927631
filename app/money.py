"""Holds amounts of money: integer minor units and a currency, never a float."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_AMOUNT: Final = 99_999_999
"""The largest price, in minor units: what one Stripe charge may be."""

MIN_CHARGE: Final = 50
"""The smallest sum, in minor units, that one Stripe charge may be (docs.stripe.com/currencies)."""

Currency = Literal["USD"]
"""ISO 4217 codes that this shop sells in."""

CURRENCY: Final[Currency] = "USD"
"""What orders are charged in."""

_MINOR_UNITS: Final = 100
_SIGNS: Final[Mapping[Currency, str]] = {"USD": "$"}

Amount = Annotated[
    int,
    Field(strict=True, ge=0, le=MAX_AMOUNT, description="Integer minor units, such as cents", examples=[1299]),
]


class Money(BaseModel):
    """An amount in one currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Amount
    currency: Currency


class Sum(BaseModel):
    """A sum of amounts in one currency; it may be more than one payment can be."""

    model_config = ConfigDict(frozen=True)

    amount: Annotated[int, Field(ge=0, description="Integer minor units, such as cents", examples=[2598])]
    currency: Currency


def spoken(amount: int, currency: Currency) -> str:
    """Return an amount in minor units as people write it, such as `$1,299.50`."""
    whole, rest = divmod(amount, _MINOR_UNITS)
    return f"{_SIGNS[currency]}{whole:,}.{rest:02}"
