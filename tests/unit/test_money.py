from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.money import MAX_AMOUNT, Money, spoken


@given(st.integers(0, MAX_AMOUNT))
def test_an_amount_survives_the_journey_through_json(amount: int) -> None:
    money = Money(amount=amount, currency="USD")

    assert Money.model_validate_json(money.model_dump_json()) == money
    assert money.model_dump(mode="json") == {"amount": amount, "currency": "USD"}


@pytest.mark.parametrize(
    "document",
    [
        {"amount": 12.99, "currency": "USD"},
        {"amount": 12.0, "currency": "USD"},
        {"amount": "1299", "currency": "USD"},
        {"amount": True, "currency": "USD"},
        {"amount": -1, "currency": "USD"},
        {"amount": MAX_AMOUNT + 1, "currency": "USD"},
        {"amount": 10**30, "currency": "USD"},
        {"amount": float("nan"), "currency": "USD"},
        {"amount": 1299, "currency": "EUR"},
        {"amount": 1299, "currency": "usd"},
        {"amount": 1299},
        {"currency": "USD"},
        {"amount": 1299, "currency": "USD", "exponent": 2},
        1299,
    ],
)
def test_what_is_no_amount_of_minor_units_is_refused(document: Any) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate(document)


def test_money_does_not_change() -> None:
    money = Money(amount=1, currency="USD")

    with pytest.raises(ValidationError):
        money.amount = 2  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (5, "$0.05"), (1299, "$12.99"), (129_950, "$1,299.50"), (99_999_999, "$999,999.99")],
)
def test_an_amount_reads_as_people_write_it(amount: int, text: str) -> None:
    assert spoken(amount, "USD") == text
