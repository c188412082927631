"""Gives a book that comes without price and stock both, by a rule that always says the same."""

from hashlib import blake2b
from typing import Final

from app.importing.records import Offer
from app.money import Money
from app.schemas.book import Format

_FORMATS: Final = (
    (60, Format.PAPERBACK),
    (82, Format.HARDCOVER),
    (95, Format.EBOOK),
    (100, Format.AUDIOBOOK),
)
"""Of a hundred books: sixty paperbacks, 22 hardcovers, 13 e-books, five audiobooks."""

_DOLLARS: Final = {
    Format.PAPERBACK: (6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 14, 15, 16, 17, 19, 24),
    Format.HARDCOVER: (14, 15, 16, 17, 18, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 32, 35, 42, 59),
    Format.EBOOK: (0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 11, 12, 14),
    Format.AUDIOBOOK: (9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 27, 29, 31, 34, 39),
}
"""Twenty equally likely prices in whole dollars, to which 99 cents are added: more cheap ones than dear ones."""


def offer_of(source: str) -> Offer:
    """Return the form, price and stock that follow from the source's name alone.

    The 64-bit BLAKE2b hash of the name is cut into digits: modulo 100 the form, then modulo 20 the price, then modulo
    100 whether it is sold out (6), nearly (12: 1 to 5 copies) or not (6 to 200 copies), then how many.
    """
    number = int.from_bytes(blake2b(source.encode(), digest_size=8).digest(), "big")
    number, share = divmod(number, 100)
    form = next(form for limit, form in _FORMATS if share < limit)
    prices = _DOLLARS[form]
    number, index = divmod(number, len(prices))
    number, shelf = divmod(number, 100)
    stock = 0 if shelf < 6 else 1 + number % 5 if shelf < 18 else 6 + number % 195  # noqa: PLR2004  # the docstring's
    return Offer(form, Money(amount=prices[index] * 100 + 99, currency="USD"), stock)
