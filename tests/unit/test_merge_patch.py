import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from app.errors import InvalidInput
from app.merge_patch import apply_patch, merge_patch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396_appendix_a(original: Any, patch: Any, result: Any) -> None:
    assert merge_patch(original, patch) == result


@given(JSON, JSON)
def test_a_patch_changes_neither_side_and_is_the_same_twice(original: Any, patch: Any) -> None:
    before = copy.deepcopy((original, patch))

    once = merge_patch(original, patch)

    assert (original, patch) == before
    assert merge_patch(once, patch) == once


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    size: int = 0


def test_what_is_removed_gets_its_default_or_is_missed() -> None:
    assert apply_patch(_Shape, {"name": "a", "size": 3}, {"size": None}) == _Shape(name="a", size=0)
    with pytest.raises(InvalidInput) as refused:
        apply_patch(_Shape, {"name": "a", "size": 3}, {"name": None, "a/b~": 1})
    assert {(field.pointer, field.code) for field in refused.value.fields} == {
        ("/name", "missing"),
        ("/a~1b~0", "extra_forbidden"),
    }
