"""Says what happened in the shop, for whom it may concern: plain values, written down with what they tell of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "user.registered",
    "user.verification_requested",
    "user.password_reset_requested",
    "order.placed",
    "order.paid",
    "order.payment_failed",
    "order.shipped",
    "order.cancelled",
    "order.expired",
    "order.refunded",
    "order.refund_failed",
    "payment.unsettled",
    "stock.low",
]
"""Every kind of event. What nobody waits for is recorded all the same."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a subject: a user's, an order's, a payment's or a book's id, or what names one.

    Events of one subject are heard in the order in which they happened. `data` holds ids and numbers, and no secrets:
    who hears of it looks up the rest.
    """

    kind: Kind
    subject: str
    data: Mapping[str, str | int] = field(default_factory=dict)
