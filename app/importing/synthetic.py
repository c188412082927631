"""Makes up books for measuring at scale: as many as one likes, the same ones for the same seed."""

from collections.abc import Iterator
from random import Random
from typing import Final

from stdnum import ean

from app.importing.records import BookRecord, Offer, Row
from app.importing.starter import CATEGORIES
from app.importing.words import STOP_WORDS, person, rank, word
from app.money import Money
from app.schemas.book import Format, Rating, Series

WORDS: Final = 200_000
"""Words to draw from; a million books use nearly all of them, ten thousand a fifth (Heaps 1978)."""

_AUTHORS: Final = 250_000
_SERIES: Final = 60_000
_PUBLISHERS: Final = 4_000
_MOST_POPULAR: Final = 5_000_000
_ISBN_SPACE: Final = 100_000_000
_SHELVES: Final = sorted(CATEGORIES)
_LANGUAGES: Final = ("en", "es", "fr", "de", "pt", "it", "ja", "nl", "ru", "sv")
_LANGUAGE_WEIGHTS: Final = (70, 7, 6, 6, 3, 3, 2, 1, 1, 1)
_FORMATS: Final = (Format.PAPERBACK, Format.HARDCOVER, Format.EBOOK, Format.AUDIOBOOK)
_FORMAT_WEIGHTS: Final = (60, 22, 13, 5)


class SyntheticCatalogue:
    """So many made-up books. A larger catalogue of the same seed begins with the smaller one.

    Words, authors, series and publishers are drawn by the law of Zipf and Mandelbrot, popularity by Pareto's, prices
    log-normally around 13 dollars; five in six have an ISBN, from the range 979-2, which is not in use.
    """

    def __init__(self, count: int, *, seed: int) -> None:
        """Make `count` books."""
        self.total = count
        self.done = 0
        self._seed = seed

    def __iter__(self) -> Iterator[Row]:
        """Yield each book."""
        random = Random(self._seed)  # noqa: S311  # books, not secrets
        for number in range(1, self.total + 1):
            self.done = number
            yield _book(random, number, self._seed)


def _book(random: Random, number: int, seed: int) -> BookRecord:
    form = random.choices(_FORMATS, _FORMAT_WEIGHTS)[0]
    dollars = min(max(round(random.lognormvariate(2.5, 0.45)), 1), 250)
    popularity = min(int(8 / (1 - random.random())), _MOST_POPULAR)
    average = min(max(random.gauss(3.9, 0.35), 1.0), 5.0)
    isbn13 = _isbn(number, seed) if random.random() < 5 / 6 else None
    return BookRecord(
        line=number,
        source=f"synthetic:{seed}:{number}",
        title=_title(random),
        subtitle=_phrase(random, random.randint(3, 7)) if random.random() < 0.25 else None,  # noqa: PLR2004
        authors=_authors(random),
        isbn13=isbn13,
        description=_description(random) if random.random() < 0.1 else None,  # noqa: PLR2004
        categories=tuple(random.sample(_SHELVES, random.choices((1, 2, 3), (60, 32, 8))[0])),
        language=random.choices(_LANGUAGES, _LANGUAGE_WEIGHTS)[0],
        publisher=f"{word(rank(random, size=_PUBLISHERS, flatness=10) + 2_000).capitalize()} Press",
        published_year=2026 - min(int(random.expovariate(1 / 15)), 420),
        series=_series(random) if random.random() < 0.3 else None,  # noqa: PLR2004
        pages=min(max(round(random.lognormvariate(5.7, 0.4)), 16), 3000),
        rating=Rating(average=round(average, 2), count=popularity),
        popularity=popularity,
        offer=Offer(form, Money(amount=dollars * 100 + 99, currency="USD"), _stock(random)),
    )


def _phrase(random: Random, length: int) -> str:
    """Return words as titles have them: a stop word now and then, never last, capitals on the others."""
    words: list[str] = []
    for at in range(length):
        if at < length - 1 and random.random() < 0.35 and (not words or words[-1] not in STOP_WORDS):  # noqa: PLR2004
            words.append(STOP_WORDS[rank(random, size=len(STOP_WORDS), flatness=1)])
        else:
            words.append(word(rank(random, size=WORDS, flatness=20)).capitalize())
    return " ".join(words)


def _title(random: Random) -> str:
    title = _phrase(random, random.choices((1, 2, 3, 4, 5, 6, 7), (8, 22, 26, 20, 12, 8, 4))[0])
    return title[0].upper() + title[1:]


def _description(random: Random) -> str:
    return ". ".join(_phrase(random, random.randint(6, 14)).capitalize() for _ in range(random.randint(1, 4))) + "."


def _authors(random: Random) -> tuple[str, ...]:
    count = random.choices((1, 2, 3, 4), (78, 15, 5, 2))[0]
    return tuple(dict.fromkeys(person(rank(random, size=_AUTHORS, flatness=1_000)) for _ in range(count)))


def _series(random: Random) -> Series:
    number = rank(random, size=_SERIES, flatness=500)
    name = f"{word(number * 3 % 20_000).capitalize()} {word(number).capitalize()}"
    return Series.model_construct(name=name, position=str(rank(random, size=40, flatness=4) + 1))


def _stock(random: Random) -> int:
    kind = random.random()
    if kind < 0.06:  # noqa: PLR2004
        return 0
    return random.randint(1, 5) if kind < 0.18 else random.randint(6, 200)  # noqa: PLR2004


def _isbn(number: int, seed: int) -> str:
    """Return the ISBN-13 of the n-th book; no two books of seeds 0 to 9 share one up to ten million books each."""
    digits = f"9792{(seed * 10_000_000 + number) % _ISBN_SPACE:08d}"
    return digits + ean.calc_check_digit(digits)
