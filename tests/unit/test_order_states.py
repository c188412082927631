from itertools import product

import pytest

from app.order_states import (
    BY_STAFF,
    CALLED_OFF,
    HOLDING,
    SOLD,
    OrderStatus,
    PaymentStatus,
    may_move,
    may_move_payment,
    staff_moves,
)

# API.md, section 5, spelled out once more: every pair that isn't here is refused.
MOVES = """
pending_payment paid
pending_payment cancelled
pending_payment expired
paid processing
paid cancelled
processing shipped
processing cancelled
shipped delivered
"""
PAYMENT_MOVES = """
requires_payment processing
requires_payment paid
requires_payment failed
processing requires_payment
processing paid
processing failed
failed requires_payment
failed processing
failed paid
paid partially_refunded
paid refunded
partially_refunded refunded
partially_refunded paid
refunded partially_refunded
refunded paid
"""


def _pairs(table: str) -> set[tuple[str, ...]]:
    return {tuple(line.split()) for line in table.strip().splitlines()}


@pytest.mark.parametrize(("before", "after"), list(product(OrderStatus, repeat=2)))
def test_an_order_moves_as_the_table_says(before: OrderStatus, after: OrderStatus) -> None:
    assert may_move(before, after) == ((before.value, after.value) in _pairs(MOVES))


@pytest.mark.parametrize(("before", "after"), list(product(PaymentStatus, repeat=2)))
def test_its_money_moves_as_the_table_says(before: PaymentStatus, after: PaymentStatus) -> None:
    assert may_move_payment(before, after) == ((before.value, after.value) in _pairs(PAYMENT_MOVES))


@pytest.mark.parametrize(("before", "after"), list(product(OrderStatus, repeat=2)))
def test_staff_neither_take_money_nor_turn_the_clock(before: OrderStatus, after: OrderStatus) -> None:
    assert (after in staff_moves(before)) == (may_move(before, after) and after.value not in {"paid", "expired"})


def test_every_order_either_holds_copies_or_has_sold_them_or_gave_them_back() -> None:
    assert set(OrderStatus) == HOLDING | SOLD | CALLED_OFF
    assert not HOLDING & SOLD
    assert not (HOLDING | SOLD) & CALLED_OFF
    assert not BY_STAFF & HOLDING
