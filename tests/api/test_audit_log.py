import re
from typing import Any

import httpx
import pytest

from app.security import Role, verify_access_token
from app.settings import Settings
from tests.factories.books import API, a_book, a_category

LOG = f"{API}/admin/audit-log"


async def entries(admin: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await admin.get(LOG, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def user_of(client: httpx.AsyncClient, settings: Settings) -> str:
    return verify_access_token(settings, client.headers["Authorization"].removeprefix("Bearer ")).user_id


async def test_who_changed_what_is_told_with_before_and_after(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, settings: Settings
) -> None:
    # given
    book = await a_book(staff)

    # when
    patched = await staff.patch(
        f"{API}/books/{book['id']}",
        json={"title": "Another title"},
        headers={"If-Match": "*", "X-Request-ID": "request-1"},
    )

    # then
    assert patched.status_code == 200
    [entry] = await entries(admin, action="patch_book")
    assert entry == {
        "id": entry["id"],
        "at": entry["at"],
        "actor": user_of(staff, settings),
        "role": Role.STAFF,
        "action": "patch_book",
        "method": "PATCH",
        "path": f"{API}/books/{book['id']}",
        "request_id": "request-1",
        "changes": [
            {
                "kind": "books",
                "of": book["id"],
                "before": {"title": book["title"]},
                "after": {"title": "Another title"},
            }
        ],
    }


async def test_what_is_made_has_no_before_and_what_is_removed_no_after(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    category = await a_category(staff)
    await staff.delete(f"{API}/categories/{category['slug']}", headers={"If-Match": "*"})

    removed, made = await entries(admin, of=category["id"])

    assert (made["action"], removed["action"]) == ("create_category", "delete_category")
    [change] = made["changes"]
    assert (change["before"], change["after"]["name"]) == ({}, category["name"])
    [change] = removed["changes"]
    assert (change["before"]["name"], change["after"]) == (category["name"], {})


async def test_stock_is_told_in_copies(staff: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    book = await a_book(staff)
    await staff.patch(f"{API}/inventory/{book['id']}", json={"set": 7, "reason": "counted"})

    [entry] = await entries(admin, action="change_stock")

    stock = next(one for one in entry["changes"] if one["kind"] == "inventory")
    assert stock["before"] == {"on_hand": 0, "received": 0}
    assert stock["after"] == {"on_hand": 7, "received": 7}


async def test_moments_are_told_in_milliseconds(staff: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    made = await a_book(staff)
    await staff.delete(f"{API}/books/{made['id']}", headers={"If-Match": "*"})

    [archived] = await entries(admin, action="archive_book")
    [created] = await entries(admin, action="create_book")

    moments = [
        change[side][name]
        for entry in (archived, created)
        for change in entry["changes"]
        for side in ("before", "after")
        for name in change[side]
        if name.endswith("_at") and change[side][name] is not None
    ]
    assert len(moments) >= 2
    for moment in moments:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment), moment


async def test_a_refused_write_a_repeat_and_a_read_leave_no_entry(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    book = await a_book(staff)
    path = f"{API}/inventory/{book['id']}"
    before = await entries(admin)

    key = {"Idempotency-Key": "once"}
    assert (await staff.patch(path, json={"delta": -1, "reason": "theft"})).status_code == 409
    for _ in range(2):
        assert (await staff.patch(path, json={"delta": 5, "reason": "came"}, headers=key)).status_code == 200
    assert (await staff.patch(path, json={"delta": 0, "reason": "nothing"})).status_code in {200, 422}
    await staff.get(path)

    assert len(await entries(admin)) == len(before) + 1


async def test_what_customers_do_is_not_audited(
    customer: httpx.AsyncClient, staff: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    book = await a_book(staff)
    await staff.patch(f"{API}/inventory/{book['id']}", json={"set": 7, "reason": "counted"})
    before = await entries(admin)

    put = await customer.post(f"{API}/cart/items", json={"book_id": book["id"], "quantity": 1})

    assert put.status_code == 201
    assert await entries(admin) == before


@pytest.mark.parametrize("asked", [{"limit": 1}, {"limit": 1, "action": "change_stock"}])
async def test_the_log_comes_in_pages_the_newest_first(
    staff: httpx.AsyncClient, admin: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    book = await a_book(staff)
    for copies in (1, 2, 3):
        await staff.patch(f"{API}/inventory/{book['id']}", json={"set": copies, "reason": "counted"})

    first = (await admin.get(LOG, params=asked)).json()
    second = (await admin.get(LOG, params=asked | {"cursor": first["page"]["next_cursor"]})).json()

    told = [page["data"][0]["changes"][-1]["after"]["on_hand"] for page in (first, second)]
    assert told == [3, 2]
