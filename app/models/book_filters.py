"""Says in MongoDB's words which books a filter means, how a sort orders them, and where a page goes on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from app.schemas.book import Availability
from app.schemas.book_query import BookFilters, BookSort

SortSpec = list[tuple[str, int]]

_PATHS: Final[Mapping[BookSort, str]] = {
    BookSort.TITLE: "search.title",
    BookSort.PRICE: "price.amount",
    BookSort.PUBLISHED_YEAR: "published_year",
    BookSort.RATING: "rating.average",
    BookSort.POPULARITY: "popularity",
    BookSort.CREATED_AT: "created_at",
}


def filter_query(
    filters: BookFilters,
    *,
    category_ids: Iterable[str],
    author_keys: Iterable[str],
    publisher_keys: Iterable[str],
    series_keys: Iterable[str],
) -> dict[str, Any]:
    """Return the query for the filters, their names already turned into ids and normalised keys."""
    query: dict[str, Any] = {}
    for path, values in (
        ("category_path", list(category_ids)),
        ("search.author_keys", list(author_keys)),
        ("search.publisher_key", list(publisher_keys)),
        ("search.series_key", list(series_keys)),
        ("language", list(filters.language)),
        ("format", [one.value for one in filters.format]),
    ):
        if values:
            query[path] = {"$in": values} if len(values) > 1 else values[0]
    for path, least, most in (
        ("price.amount", filters.price_min, filters.price_max),
        ("published_year", filters.published_from, filters.published_to),
        ("rating.average", filters.rating_min, None),
    ):
        bounds = {"$gte": least} if least is not None else {}
        bounds |= {"$lte": most} if most is not None else {}
        if bounds:
            query[path] = bounds
    if filters.in_stock is not None:
        unavailable = Availability.OUT_OF_STOCK.value
        query["availability"] = {"$ne": unavailable} if filters.in_stock else unavailable
    return query


def sort_spec(sort: str) -> SortSpec:
    """Return the sort for `-rating,price`: paths with their directions, the id last, so that the order is total."""
    spec: SortSpec = []
    for part in sort.split(","):
        path = _PATHS[BookSort(part.removeprefix("-"))]
        if path not in (known for known, _ in spec):
            spec.append((path, -1 if part.startswith("-") else 1))
    return [*spec, ("_id", spec[0][1])]


def position_of(document: Mapping[str, Any], spec: SortSpec) -> tuple[Any, ...]:
    """Return where the document stands in the order."""
    return tuple(_value(document, path) for path, _ in spec)


def after(position: Sequence[Any], spec: SortSpec) -> dict[str, Any]:
    """Return the query for what comes after a position. A missing value sorts before every other."""
    branches: list[dict[str, Any]] = []
    for index, (path, direction) in enumerate(spec):
        value = position[index]
        ties = [{tied: position[at]} for at, (tied, _) in enumerate(spec[:index])]
        if direction > 0:
            further: list[dict[str, Any]] = [{path: {"$ne": None}} if value is None else {path: {"$gt": value}}]
        else:
            further = [] if value is None else [{"$or": [{path: {"$lt": value}}, {path: None}]}]
        branches.extend({"$and": [*ties, beyond]} for beyond in further)
    return {"$or": branches}


def _value(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
