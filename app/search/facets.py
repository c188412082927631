"""Counts the books found by category, author, language, format, price and rating."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from app.schemas.search import Facet, FacetRange, FacetValue
from app.search.text import name_key

FIELDS: Final[Mapping[Facet, str]] = {
    Facet.CATEGORY: "category_path",
    Facet.AUTHOR: "authors",
    Facet.LANGUAGE: "language",
    Facet.FORMAT: "format",
    Facet.PRICE: "price.amount",
    Facet.RATING: "rating.average",
}
"""What a document must bring along to be counted."""

FILTERS: Final[Mapping[Facet, Mapping[str, Any]]] = {
    Facet.CATEGORY: {"category": []},
    Facet.AUTHOR: {"author": []},
    Facet.LANGUAGE: {"language": []},
    Facet.FORMAT: {"format": []},
    Facet.PRICE: {"price_min": None, "price_max": None},
    Facet.RATING: {"rating_min": None},
}
"""The filters that choose among a facet's values, when they don't."""

_VALUES: Final = 20
_PRICES: Final = (0, 500, 1000, 1500, 2000, 3000, 5000, None)
_RATINGS: Final = (4.5, 4.0, 3.5, 3.0, 2.0, 1.0)

Documents = Sequence[Mapping[str, Any]]


def by_value(facet: Facet, documents: Documents) -> list[FacetValue]:
    """Return the most common values of a category (ids), author, language or format, and how many books have each."""
    counts: Counter[str] = Counter()
    path = FIELDS[facet]
    if facet in (Facet.CATEGORY, Facet.AUTHOR):
        for document in documents:
            counts.update(set(document[path]))
    else:
        counts.update(document[path] for document in documents if document.get(path))
    if facet is Facet.AUTHOR:
        counts = _one_spelling_each(counts)
    return [FacetValue(value=value, count=count) for value, count in _most_common(counts)]


def by_price(documents: Documents) -> list[FacetRange]:
    """Return how many books cost how much, in minor units; ranges without books are left out."""
    prices = [document["price"]["amount"] for document in documents]
    ranges = [
        FacetRange(
            min=low,
            max=None if high is None else high - 1,
            count=sum(1 for price in prices if price >= low and (high is None or price < high)),
        )
        for low, high in pairwise(_PRICES)
        if low is not None
    ]
    return [one for one in ranges if one.count]


def by_rating(documents: Documents) -> list[FacetRange]:
    """Return how many books are rated so well or better; steps without books are left out."""
    ratings = [document["rating"]["average"] for document in documents]
    ranges = [
        FacetRange(min=least, max=None, count=sum(1 for rating in ratings if rating >= least)) for least in _RATINGS
    ]
    return [one for one in ranges if one.count]


def labelled(values: Iterable[FacetValue], labels: Mapping[str, tuple[str, str]]) -> list[FacetValue]:
    """Return the values that have labels, given as `{value: (new value, label)}`."""
    return [
        FacetValue(value=labels[one.value][0], label=labels[one.value][1], count=one.count)
        for one in values
        if one.value in labels
    ]


def _one_spelling_each(counts: Counter[str]) -> Counter[str]:
    """Add up `J.K. Rowling` and `J. K. Rowling` under the more common spelling."""
    spelled: dict[str, str] = {}
    merged: Counter[str] = Counter()
    for name, count in counts.most_common(4 * _VALUES):
        merged[spelled.setdefault(name_key(name), name)] += count
    return merged


def _most_common(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_VALUES]
