from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.book_filters import SortSpec, after, filter_query, position_of, sort_spec
from app.schemas.book_query import BookFilters

FIELDS = ("title", "price", "published_year", "rating", "popularity")
SORTS = st.lists(
    st.builds(str.__add__, st.sampled_from(["", "-"]), st.sampled_from(FIELDS)), min_size=1, max_size=3
).map(",".join)

# Few different values, so that ties are common.
BOOKS = st.lists(
    st.fixed_dictionaries(
        {
            "search": st.fixed_dictionaries({"title": st.sampled_from(["", "a", "b"])}),
            "price": st.fixed_dictionaries({"amount": st.integers(0, 2)}),
            "published_year": st.none() | st.integers(-1, 1),
            "rating": st.fixed_dictionaries({"average": st.sampled_from([0.0, 3.5, 4.0])}),
            "popularity": st.integers(0, 2),
        }
    ),
    max_size=12,
).map(lambda books: [book | {"_id": f"bk_{number:02}"} for number, book in enumerate(books)])


def _value(document: dict[str, Any], path: str) -> Any:
    for step in path.split("."):
        document = document[step]
    return document


def _matches(document: dict[str, Any], query: dict[str, Any]) -> bool:
    # The part of MongoDB's language that `after` speaks. tests/api/test_paging.py asks MongoDB itself.
    for key, wanted in query.items():
        if key == "$or":
            agrees = any(_matches(document, one) for one in wanted)
        elif key == "$and":
            agrees = all(_matches(document, one) for one in wanted)
        else:
            value = _value(document, key)
            match wanted:
                case {"$gt": least}:
                    agrees = value is not None and value > least
                case {"$lt": most}:
                    agrees = value is not None and value < most
                case {"$ne": other}:
                    agrees = value != other
                case _:
                    agrees = value == wanted
        if not agrees:
            return False
    return True


def _in_order(books: list[dict[str, Any]], spec: SortSpec) -> list[dict[str, Any]]:
    for path, direction in reversed(spec):
        books = sorted(
            books,
            key=lambda book: (
                (_value(book, path) is not None, _value(book, path) or 0)
                if path not in {"_id", "search.title"}
                else (True, _value(book, path))
            ),
            reverse=direction < 0,
        )
    return books


@given(BOOKS, SORTS)
def test_after_a_position_comes_what_sorts_after_it(books: list[dict[str, Any]], sort: str) -> None:
    spec = sort_spec(sort)
    ordered = _in_order(books, spec)

    for at, book in enumerate(ordered):
        query = after(position_of(book, spec), spec)
        assert [one for one in ordered if _matches(one, query)] == ordered[at + 1 :]


@given(SORTS)
def test_a_sort_is_total_and_names_each_path_once(sort: str) -> None:
    spec = sort_spec(sort)

    paths = [path for path, _ in spec]
    assert paths[-1] == "_id"
    assert len(set(paths)) == len(paths)
    assert spec[-1][1] == spec[0][1]


def _query(**filters: Any) -> dict[str, Any]:
    return filter_query(
        BookFilters.model_validate(filters), category_ids=[], author_keys=[], publisher_keys=[], series_keys=[]
    )


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        ({}, {}),
        ({"language": ["en"]}, {"language": "en"}),
        ({"language": ["en", "fr"]}, {"language": {"$in": ["en", "fr"]}}),
        ({"price_min": 0}, {"price.amount": {"$gte": 0}}),
        ({"price_min": 1, "price_max": 2}, {"price.amount": {"$gte": 1, "$lte": 2}}),
        ({"published_to": -1}, {"published_year": {"$lte": -1}}),
        ({"rating_min": 0}, {"rating.average": {"$gte": 0}}),
        ({"in_stock": True}, {"availability": {"$ne": "out_of_stock"}}),
        ({"in_stock": False}, {"availability": "out_of_stock"}),
    ],
)
def test_filters_in_mongodb_s_words(filters: dict[str, Any], query: dict[str, Any]) -> None:
    assert _query(**filters) == query


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and text.isprintable()))
def test_no_filter_value_becomes_an_operator(text: str) -> None:
    filters = BookFilters.model_validate({"author": [text], "category": [text]})
    query = filter_query(
        filters, category_ids=filters.category, author_keys=filters.author, publisher_keys=[], series_keys=[]
    )

    assert query == {"category_path": text.strip(), "search.author_keys": text.strip()}
