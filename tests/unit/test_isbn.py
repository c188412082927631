import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.schemas.fields import Isbn10, Isbn13, isbn10_of, parse_isbn


def _check_digit(twelve: str) -> str:
    return str(-sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(twelve)) % 10)


ISBNS = st.builds(
    lambda prefix, rest: prefix + rest + _check_digit(prefix + rest),
    st.sampled_from(["978", "979"]),
    st.text("0123456789", min_size=9, max_size=9),
)


@pytest.mark.parametrize(
    "spelling",
    [
        "9780441478125",
        "978-0-441-47812-5",
        "978 0 441 47812 5",
        "0441478123",
        "0-441-47812-3",
        "  9780441478125  ",
    ],
)
def test_every_spelling_means_the_same_book(spelling: str) -> None:
    assert parse_isbn(spelling) == "9780441478125"


def test_the_check_digit_of_an_isbn_10_may_be_an_x() -> None:
    assert parse_isbn("080442957X") == parse_isbn("0-8044-2957-x") == "9780804429573"
    assert isbn10_of("9780804429573") == "080442957X"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "9780441478126",
        "0441478124",
        "978044147812",
        "97804414781255",
        "9770441478128",
        "9.78044147812e+12",
        "044147812X",
        "X441478123",
        "book",
        "9780441478125\x00",
        "9780441478125\n",
        "978\u20100441478125",
        "\uff19780441478125",
        "441478123",
        "9" * 10_000,
    ],
)
def test_what_is_no_isbn_is_none(text: str) -> None:
    assert parse_isbn(text) is None


def test_what_is_pasted_from_print_is_kept_in_plain_digits() -> None:
    isbn13, isbn10 = TypeAdapter[str](Isbn13), TypeAdapter[str](Isbn10)

    for pasted in (
        "978\u20100\u2010441\u201047812\u20105",
        "978\u00a00441478125",
        "\uff19780441478125",
        "9780441478125\t",
    ):
        assert isbn13.validate_python(pasted) == "9780441478125"
    assert isbn10.validate_python("0\u20138044\u20132957\u2013x") == "080442957X"
    with pytest.raises(ValidationError, match="is no ISBN-10"):
        isbn10.validate_python("441478123")


@given(ISBNS)
def test_an_isbn_13_is_itself_and_comes_back_from_its_isbn_10(isbn13: str) -> None:
    assert parse_isbn(isbn13) == isbn13
    isbn10 = isbn10_of(isbn13)
    assert (isbn10 is None) == isbn13.startswith("979")
    if isbn10 is not None:
        assert parse_isbn(isbn10) == isbn13


@given(ISBNS, st.integers(0, 12), st.integers(1, 9))
def test_a_wrong_digit_is_noticed(isbn13: str, at: int, by: int) -> None:
    wrong = isbn13[:at] + str((int(isbn13[at]) + by) % 10) + isbn13[at + 1 :]

    assert parse_isbn(wrong) is None


@given(st.text(max_size=40))
def test_any_text_is_an_isbn_or_none(text: str) -> None:
    found = parse_isbn(text)

    assert found is None or (len(found) == 13 and found.isdecimal())
