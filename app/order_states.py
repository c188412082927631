"""Says which states an order and its payment go through, and which moves there are: pure tables."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class PaymentStatus(StrEnum):
    """Where an order's money stands."""

    REQUIRES_PAYMENT = "requires_payment"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class PaymentState(StrEnum):
    """Where the one payment of an order stands."""

    REQUIRES_PAYMENT = "requires_payment"
    PROCESSING = "processing"
    FAILED = "failed"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


_O = OrderStatus
_P = PaymentStatus

MOVES: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    _O.PENDING_PAYMENT: frozenset({_O.PAID, _O.CANCELLED, _O.EXPIRED}),
    _O.PAID: frozenset({_O.PROCESSING, _O.CANCELLED}),
    _O.PROCESSING: frozenset({_O.SHIPPED, _O.CANCELLED}),
    _O.SHIPPED: frozenset({_O.DELIVERED}),
    _O.DELIVERED: frozenset(),
    _O.CANCELLED: frozenset(),
    _O.EXPIRED: frozenset(),
}
"""Where an order can go from where it is."""

PAYMENT_MOVES: Final[Mapping[PaymentStatus, frozenset[PaymentStatus]]] = {
    _P.REQUIRES_PAYMENT: frozenset({_P.PROCESSING, _P.PAID, _P.FAILED}),
    _P.PROCESSING: frozenset({_P.REQUIRES_PAYMENT, _P.PAID, _P.FAILED}),
    _P.FAILED: frozenset({_P.REQUIRES_PAYMENT, _P.PROCESSING, _P.PAID}),
    _P.PAID: frozenset({_P.PARTIALLY_REFUNDED, _P.REFUNDED}),
    _P.PARTIALLY_REFUNDED: frozenset({_P.REFUNDED, _P.PAID}),
    _P.REFUNDED: frozenset({_P.PARTIALLY_REFUNDED, _P.PAID}),
}
"""Where an order's money can go from where it is; back, where a refund fails after it was given."""

BY_STAFF: Final = frozenset({_O.PROCESSING, _O.SHIPPED, _O.DELIVERED, _O.CANCELLED})
"""What staff may move an order to: `paid` is for the gateway to say, `expired` for the clock."""

HOLDING: Final = frozenset({_O.PENDING_PAYMENT})
"""Orders whose copies are held on the shelf."""

SOLD: Final = frozenset({_O.PAID, _O.PROCESSING, _O.SHIPPED, _O.DELIVERED})
"""Orders whose copies are sold."""

CALLED_OFF: Final = frozenset({_O.CANCELLED, _O.EXPIRED})
"""Orders that nobody gets any more: what was paid for them goes back."""

ENDED: Final = frozenset(status for status, following in MOVES.items() if not following)
"""Orders that go nowhere any more."""


def may_move(before: OrderStatus, after: OrderStatus) -> bool:
    """Tell whether an order can go from one state to the other in one step."""
    return after in MOVES[before]


def may_move_payment(before: PaymentStatus, after: PaymentStatus) -> bool:
    """Tell whether an order's money can go from one state to the other in one step."""
    return after in PAYMENT_MOVES[before]


def staff_moves(before: OrderStatus) -> list[OrderStatus]:
    """Return where staff may move an order, in the order of the enumeration."""
    return [status for status in OrderStatus if status in MOVES[before] & BY_STAFF]
