"""A repeated parameter means OR (API.md, section 1)."""

from typing import Any

import httpx
import pytest

from app.ids import new_id
from tests.api.test_problems import assert_problem
from tests.factories.accounts import a_user
from tests.factories.books import API, a_book, a_category
from tests.factories.buying import a_stocked_book, an_order


async def data_of(who: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await who.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_payments_of_several_orders_are_listed(customer: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff)
    orders = [(await an_order(customer, (book, 1)))["id"] for _ in range(3)]
    path = f"/payments?order_id={orders[0]}&order_id={orders[1]}"

    listed = {role: await data_of(who, path) for role, who in (("buyer", customer), ("staff", staff))}

    for role, payments in listed.items():
        assert [one["order_id"] for one in payments] == [orders[1], orders[0]], role


async def test_several_people_s_acts_are_listed(staff: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    # given
    book = await a_book(staff)
    category = await a_category(admin)
    made_category, made_book = await data_of(admin, "/admin/audit-log")

    # when
    found = [
        [one["id"] for one in await data_of(admin, f"/admin/audit-log?{query}")]
        for query in (
            f"actor={made_book['actor']}&actor={made_category['actor']}",
            f"of={book['id']}&of={category['id']}",
            "action=create_book&action=create_category",
            f"action=create_book&action=create_category&actor={made_book['actor']}&actor={new_id('usr')}",
        )
    ]

    # then
    both = [made_category["id"], made_book["id"]]
    assert found == [both, both, both, [made_book["id"]]]


async def test_several_people_are_found(client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    for name in ("ada", "bea"):
        await a_user(client, username=name, email=f"{name}@example.com")

    for query in ("username=ADA&username=bea", "email=ada@example.com&email=BEA@example.com"):
        assert [one["username"] for one in await data_of(admin, f"/admin/users?{query}")] == ["bea", "ada"], query


async def test_facets_may_be_asked_for_one_by_one(client: httpx.AsyncClient, staff: httpx.AsyncClient) -> None:
    await a_book(staff, title="Whale")

    facets = [
        (await client.get(f"{API}/books/search?q=whale&{query}")).json()["facets"]
        for query in ("facets=author,format", "facets=author&facets=format", "facets=author&facets=author,format")
    ]

    assert facets[0]["author"]
    assert facets[0]["format"]
    assert facets == [facets[0]] * 3


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/payments", "order_id", "ord_1"),
        ("/admin/audit-log", "actor", "usr_1"),
        ("/admin/audit-log", "action", "patch_book"),
        ("/admin/audit-log", "of", "bk_1"),
        ("/admin/users", "email", "ada@example.com"),
        ("/admin/users", "username", "ada"),
    ],
)
async def test_no_filter_takes_any_number_of_values(admin: httpx.AsyncClient, path: str, name: str, value: str) -> None:
    answers = [await admin.get(f"{API}{path}?{'&'.join([f'{name}={value}'] * count)}") for count in (20, 21)]

    assert answers[0].status_code == 200
    problem = assert_problem(answers[1], 422, "validation_error")
    assert [error["pointer"] for error in problem["errors"]] == [f"?{name}"]
