"""What is left of somebody who deleted the account: orders as records, under an id that names nobody."""

import asyncio
from typing import Any

import httpx
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.lifespan import Resources
from app.models.address import SavedAddress
from app.models.order import Order
from tests.api.test_problems import assert_problem
from tests.factories.accounts import a_user, bearer
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_address, an_order, key, put_in_cart

VISA = "pm_card_visa"
ME = f"{API}/users/me"
WHERE = an_address(line2="Attic", region="Westminster", phone="+44 20 7946 0000")
NOWHERE = {
    "name": "(deleted)",
    "line1": "(deleted)",
    "line2": None,
    "city": "(deleted)",
    "region": None,
    "postal_code": "(deleted)",
    "country": "GB",
    "phone": None,
}


@pytest.fixture
async def ada(app: Any, client: httpx.AsyncClient) -> httpx.AsyncClient:
    headers = bearer((await a_user(client))["access_token"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop", headers=headers)


async def test_no_address_is_added_beside_the_deletion(
    ada: httpx.AsyncClient, shop: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the account is deleted while an address is being added
    intact, deletions = SavedAddress.count_of, list[asyncio.Task[httpx.Response]]()

    async def meanwhile(user_id: str, session: AsyncClientSession) -> int:
        if not deletions:
            deletions.append(asyncio.create_task(ada.delete(ME)))
            await asyncio.wait(deletions, timeout=1)
        return await intact(user_id, session)

    monkeypatch.setattr(SavedAddress, "count_of", meanwhile)

    # when
    await ada.post(f"{ME}/addresses", json=an_address())
    deleted = await deletions[0]

    # then: whichever was first
    assert deleted.status_code == 204
    assert await shop.database.database["addresses"].count_documents({}) == 0


async def _address(staff: httpx.AsyncClient, order: dict[str, Any]) -> Any:
    return (await staff.get(f"{API}/orders/{order['id']}")).json()["shipping_address"]


async def _move(staff: httpx.AsyncClient, order: dict[str, Any], *to: str) -> None:
    for status in to:
        moved = await staff.post(f"{API}/orders/{order['id']}/transitions", json={"to": status})
        assert moved.status_code == 200, moved.text


async def test_orders_that_have_ended_forget_where_they_went(
    staff: httpx.AsyncClient, ada: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    book = await a_stocked_book(staff)
    delivered = await an_order(ada, (book, 1), payment_method=VISA, shipping_address=WHERE)
    await _move(staff, delivered, "processing", "shipped", "delivered")
    cancelled = await an_order(ada, (book, 1), shipping_address=WHERE)
    said = {"reason": "Ada moves to 5 Marylebone"}
    assert (await ada.post(f"{API}/orders/{cancelled['id']}/cancel", json=said)).status_code == 200
    before = (await staff.get(f"{API}/orders/{delivered['id']}")).json()

    # when
    assert (await ada.delete(ME)).status_code == 204

    # then
    after = (await staff.get(f"{API}/orders/{delivered['id']}")).json()
    assert after == before | {"shipping_address": NOWHERE, "updated_at": after["updated_at"]}
    assert await _address(staff, cancelled) == NOWHERE
    kept = repr(await shop.database.database["orders"].find({}).to_list())
    for told in ("Lovelace", "St James", "Attic", "Westminster", "7946", "SW1Y", "Marylebone"):
        assert told not in kept


@pytest.mark.parametrize("end", ["delivered", "cancelled"])
async def test_an_order_on_its_way_keeps_its_address_until_it_ends(
    staff: httpx.AsyncClient, ada: httpx.AsyncClient, end: str
) -> None:
    # given
    book = await a_stocked_book(staff)
    placed = await an_order(ada, (book, 1), payment_method=VISA, shipping_address=WHERE)
    assert (await ada.delete(ME)).status_code == 204

    # when, then
    for status in ("processing", "shipped") if end == "delivered" else ("processing",):
        await _move(staff, placed, status)
        assert await _address(staff, placed) == WHERE
    await _move(staff, placed, end)
    assert await _address(staff, placed) == NOWHERE


async def test_an_unpaid_order_forgets_when_it_ends(staff: httpx.AsyncClient, ada: httpx.AsyncClient) -> None:
    placed = await an_order(ada, ((await a_stocked_book(staff)), 1), shipping_address=WHERE)
    assert (await ada.delete(ME)).status_code == 204
    assert await _address(staff, placed) == WHERE

    cancelled = await staff.post(f"{API}/orders/{placed['id']}/cancel", headers=key())

    assert (cancelled.status_code, cancelled.json()["shipping_address"]) == (200, NOWHERE)


async def test_whoever_ends_an_order_beside_the_deletion_forgets_as_well(
    staff: httpx.AsyncClient, app: Any, client: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff, 100)
    for number in range(10):
        name = f"ada{number}"
        own = bearer((await a_user(client, email=f"{name}@example.com", username=name))["access_token"])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop", headers=own) as reader:
            placed = await an_order(reader, (book, 1), shipping_address=WHERE)
            deleted, ended = await asyncio.gather(
                reader.delete(ME), staff.post(f"{API}/orders/{placed['id']}/transitions", json={"to": "cancelled"})
            )

        assert (deleted.status_code, ended.status_code) == (204, 200), (deleted.text, ended.text)
        assert await _address(staff, placed) == NOWHERE


async def test_the_cart_goes_with_the_account(
    staff: httpx.AsyncClient, ada: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    book = await a_stocked_book(staff)
    for shopper in (ada, customer):
        await put_in_cart(shopper, book)

    # when
    assert (await ada.delete(ME)).status_code == 204

    # then
    left = await shop.database.database["carts"].find({}).to_list()
    assert [cart["_id"] for cart in left] == [(await customer.get(f"{API}/cart")).json()["id"]]


async def test_orders_of_others_stay_as_they_are(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    placed = await an_order(customer, ((await a_stocked_book(staff)), 1), shipping_address=WHERE)
    before = await Order.of_id(placed["id"])
    assert (await ada.delete(ME)).status_code == 204

    assert await Order.of_id(placed["id"]) == before
    assert_problem(await ada.get(f"{API}/orders/{placed['id']}"), 401, "token_revoked")
