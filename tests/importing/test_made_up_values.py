"""What isn't in the files, prices, stock, starter and synthetic books, is the same every time, and plausible."""

from collections import Counter
from itertools import islice

from app.importing.offers import offer_of
from app.importing.records import BookRecord
from app.importing.starter import CATEGORIES, StarterCatalogue
from app.importing.synthetic import SyntheticCatalogue
from app.schemas.book import Format
from app.schemas.fields import parse_isbn


def starter_books() -> list[BookRecord]:
    return [row for row in StarterCatalogue() if isinstance(row, BookRecord)]


def synthetic_books(count: int, *, seed: int = 1) -> list[BookRecord]:
    return [row for row in SyntheticCatalogue(count, seed=seed) if isinstance(row, BookRecord)]


def test_the_rule_for_prices_and_stock_never_changes() -> None:
    first, second = offer_of("goodbooks:1"), offer_of("goodbooks:2")

    assert (first.format, first.price.amount, first.stock) == (Format.PAPERBACK, 799, 5)
    assert (second.format, second.price.amount, second.stock) == (Format.PAPERBACK, 799, 146)


def test_the_rule_gives_prices_that_end_in_99_and_a_few_empty_shelves() -> None:
    offers = [offer_of(f"goodbooks:{number}") for number in range(1, 10_001)]

    assert {offer.price.amount % 100 for offer in offers} == {99}
    assert (min(o.price.amount for o in offers), max(o.price.amount for o in offers)) == (99, 5999)
    assert (min(o.stock for o in offers), max(o.stock for o in offers)) == (0, 200)
    assert sum(offer.stock == 0 for offer in offers) == 597
    assert {offer.format for offer in offers} == set(Format)


def test_the_starter_catalogue_holds_some_three_hundred_different_books() -> None:
    books = starter_books()

    assert len(books) == 323
    assert len({(book.title, book.authors) for book in books}) == 323
    assert len({book.source for book in books}) == 323
    assert all(book.authors and book.language == "en" for book in books)
    assert all(book.published_year is not None and -800 <= book.published_year <= 2025 for book in books)
    assert all(book.isbn13 is None for book in books)


def test_every_starter_book_stands_on_known_shelves_and_every_shelf_has_books() -> None:
    shelves = Counter(category for book in starter_books() for category in book.categories)

    assert set(shelves) == CATEGORIES
    assert all(book.categories for book in starter_books())
    assert min(shelves.values()) >= 3


def test_no_two_starter_books_have_the_same_place_in_a_series() -> None:
    places = [(b.series.name, b.series.position) for b in starter_books() if b.series and b.series.position]

    assert len(set(places)) == len(places)
    assert ("The Lord of the Rings", "2") in places


def test_the_same_seed_makes_the_same_books_and_a_smaller_catalogue_begins_a_larger_one() -> None:
    books = synthetic_books(300)

    assert books == synthetic_books(300)
    assert books[:100] == synthetic_books(100)
    assert list(islice(SyntheticCatalogue(10_000_000, seed=1), 100)) == books[:100]
    assert {book.title for book in books} != {book.title for book in synthetic_books(300, seed=2)}


def test_synthetic_books_are_distributed_as_real_ones_are() -> None:
    books = synthetic_books(20_000)

    words = Counter(word for book in books for word in book.title.lower().split())
    authors = Counter(author for book in books for author in book.authors)
    prices = sorted(book.offer.price.amount for book in books)
    isbns = [book.isbn13 for book in books if book.isbn13 is not None]
    # Zipf: the hundredth word is about a hundredth as common as "the"; Heaps: new words keep coming.
    assert words.most_common(1)[0][0] == "the"
    assert 20 <= words.most_common(1)[0][1] / words.most_common(100)[-1][1] <= 150
    assert 20_000 <= len(words) <= 30_000
    assert len(authors) > 10_000
    assert max(authors.values()) < 40
    assert {price % 100 for price in prices} == {99}
    assert 1199 <= prices[10_000] <= 1399
    assert 0.8 < len(isbns) / 20_000 < 0.86
    assert len(set(isbns)) == len(isbns)
    assert parse_isbn(isbns[0]) == isbns[0]
    assert max(book.popularity or 0 for book in books) > 10_000
    assert {category for book in books for category in book.categories} == CATEGORIES
