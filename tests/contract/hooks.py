"""Tells schemathesis what an OpenAPI document can't: values that exist, and refusals that depend on what is stored."""

import re
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st
from stdnum import ean, isbn

STATEFUL_CODES: Final = frozenset(
    {"cursor_invalid", "gone", "precondition_failed", "idempotency_key_reused", "webhook_signature_invalid"}
)
"""Whether these come depends on what was stored, signed or sent before."""

STATEFUL_FIELDS: Final = frozenset({"unknown_category", "cycle", "too_deep", "book_not_sold", "unknown_address"})
"""The same for single fields: it depends on which categories, books and addresses there are."""

RELATED_FIELDS: Final = frozenset(
    {
        "isbn_mismatch",
        "range_empty",
        "slug_needed",
        "book_twice",
        "password_mismatch",
        "password_personal",
        "current_password_needed",
        "one_of",
    }
)
"""Two fields that don't go together; JSON Schema can't relate them."""


REJECTED: Final = "ST202"
"""Schemathesis' code for valid data that was refused."""

GUESSABLE: Final = frozenset({"password_common", "password_too_short", "password_too_long"})
"""No schema knows which passwords attackers try first."""

_INTEGER_AS_FLOAT: Final = re.compile(rb"[0-9]\.0+[,}\s]|[0-9]e[+0-9]")
"""To JSON Schema `12.0` is an integer; amounts and counts of ours are written without a point."""


def _isbn13(nine: int) -> str:
    twelve = f"978{nine:09}"
    return twelve + ean.calc_check_digit(twelve)


_ISBN_13: Final = st.integers(0, 10**9 - 1).map(_isbn13)

schemathesis.openapi.format("isbn-13", _ISBN_13)
schemathesis.openapi.format("isbn-10", _ISBN_13.map(isbn.to_isbn10))
# Of the starter catalogue.
schemathesis.openapi.format("category-reference", st.sampled_from(["fiction", "fantasy", "history"]))


_BOOK_ID: Final = st.sampled_from([f"bk_01J0000000000000000000000{digit}" for digit in "0123456789"])

schemathesis.openapi.format("book-id", _BOOK_ID)
schemathesis.openapi.format("order-id", _BOOK_ID.map(lambda book: f"ord{book[2:]}"))
schemathesis.openapi.format("address-id", _BOOK_ID.map(lambda book: f"adr{book[2:]}"))


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Keep every failure but refusals of valid data for reasons that no schema can express."""
    if failure.code != REJECTED:
        return True
    problem = response.json()
    if problem["code"] in STATEFUL_CODES:
        return False
    codes = {field["code"] for field in problem.get("errors", [])}
    expected = STATEFUL_FIELDS | RELATED_FIELDS | GUESSABLE
    if _INTEGER_AS_FLOAT.search(response.request.body or b""):
        expected |= {"int_type"}
    return not codes or not codes <= expected
