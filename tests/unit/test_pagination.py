import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.errors import CursorInvalid
from app.pagination import COUNTED_UP_TO, CursorSigner, PageRequest, Total
from app.settings import Settings

SIGNER = CursorSigner(Settings(secret_key=SecretStr("one secret of at least 32 characters")))
STRANGER = CursorSigner(Settings(secret_key=SecretStr("two secrets of at least 32 characters")))
LIST = '/api/v1/books?{"sort":"title"}'

POSITIONS = st.lists(
    st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    min_size=1,
    max_size=4,
).map(tuple)


@given(POSITIONS)
def test_any_position_survives(position: tuple[object, ...]) -> None:
    assert SIGNER.open(SIGNER.sign(position, about=LIST), about=LIST) == position


def test_a_moment_survives_as_iso_8601() -> None:
    moment = datetime(2026, 11, 20, 21, 28, 5, 123000, UTC)

    (spelt,) = SIGNER.open(SIGNER.sign((moment,), about=LIST), about=LIST)

    assert datetime.fromisoformat(spelt) == moment


@given(POSITIONS, st.data())
def test_any_flipped_bit_is_refused(position: tuple[object, ...], data: st.DataObject) -> None:
    cursor = SIGNER.sign(position, about=LIST).encode()
    bit = data.draw(st.integers(0, len(cursor) * 8 - 1))
    flipped = bytearray(cursor)
    flipped[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CursorInvalid):
        SIGNER.open(flipped.decode("latin-1"), about=LIST)


@given(POSITIONS, st.data())
def test_a_shortened_or_lengthened_cursor_is_refused(position: tuple[object, ...], data: st.DataObject) -> None:
    cursor = SIGNER.sign(position, about=LIST)
    shorter = cursor[: data.draw(st.integers(0, len(cursor) - 1))]
    longer = cursor + data.draw(st.text("ABCxyz=-_+/ \n", min_size=1))

    for damaged in (shorter, longer):
        with pytest.raises(CursorInvalid):
            SIGNER.open(damaged, about=LIST)


@given(st.text())
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        SIGNER.open(text, about=LIST)


def test_a_cursor_belongs_to_its_list_and_its_shop() -> None:
    cursor = SIGNER.sign(("a", 1), about=LIST)

    with pytest.raises(CursorInvalid):
        SIGNER.open(cursor, about=LIST + " ")
    with pytest.raises(CursorInvalid):
        STRANGER.open(cursor, about=LIST)


def test_the_list_cannot_run_into_the_position() -> None:
    payload = b'["a"]'
    cursor = SIGNER.sign(("a",), about=LIST)
    mac = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[: -len(payload)]
    forged = base64.urlsafe_b64encode(mac + b'"]').decode().rstrip("=")

    with pytest.raises(CursorInvalid):
        SIGNER.open(forged, about=LIST + "\x00" + '["a')


def _request(limit: int) -> PageRequest:
    return PageRequest(limit, None, LIST, with_total=False, signer=SIGNER)


def test_a_page_goes_on_after_its_last_item() -> None:
    found = [((number,), f"item {number}") for number in range(4)]

    page = _request(3).page_of(found)

    assert page.data == ["item 0", "item 1", "item 2"]
    assert page.page.has_more is True
    assert page.page.next_cursor is not None
    assert SIGNER.open(page.page.next_cursor, about=LIST) == (2,)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_last_page_leads_nowhere(count: int) -> None:
    page = _request(3).page_of([((number,), number) for number in range(count)])

    assert page.model_dump(mode="json") == {
        "data": list(range(count)),
        "page": {"next_cursor": None, "has_more": False},
    }


@pytest.mark.parametrize(
    ("counted", "value", "relation"),
    [(0, 0, "eq"), (COUNTED_UP_TO, COUNTED_UP_TO, "eq"), (COUNTED_UP_TO + 1, COUNTED_UP_TO, "gte")],
)
def test_a_total_says_where_counting_stopped(counted: int, value: int, relation: str) -> None:
    assert Total.counted(counted).model_dump() == {"value": value, "relation": relation}
