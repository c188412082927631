"""What nobody should send to carts and orders: a clear problem each, and nothing happens."""

from typing import Any

import httpx
import pytest

from app.lifespan import Resources
from app.models import DOCUMENTS
from app.models.cache_grant import CacheGrant
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_address, an_order, key, order, order_body, put_in_cart

QUANTITIES = [0, -1, 100, 1.5, 1.0, 10**18, 10**30, "1", True, None, [], {"$gt": 0}]


async def _everything(shop: Resources) -> dict[str, list[dict[str, object]]]:
    names = [str(document.get_settings().name) for document in DOCUMENTS if document is not CacheGrant]
    return {name: await shop.database.database[name].find({}).sort("_id", 1).to_list() for name in names}


@pytest.mark.parametrize("quantity", QUANTITIES, ids=repr)
async def test_no_such_quantity(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, quantity: Any
) -> None:
    book = await a_stocked_book(staff, 10)
    await put_in_cart(customer, book)
    before = await _everything(shop)
    items = [{"book_id": book, "quantity": quantity}]

    refused = [
        await customer.post(f"{API}/cart/items", json=items[0]),
        await customer.post(f"{API}/orders", json=order_body(items=items), headers=key()),
    ]
    if quantity != 0:
        refused += [
            await customer.put(f"{API}/cart/items/{book}", json={"quantity": quantity}),
            await customer.patch(f"{API}/cart/items/{book}", json={"quantity": quantity}),
        ]

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(422, "validation_error")] * len(refused)
    assert all(one.json()["errors"][0]["pointer"].endswith("/quantity") for one in refused)
    assert await _everything(shop) == before


async def test_no_such_book(staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources) -> None:
    sold, archived = await a_stocked_book(staff), await a_stocked_book(staff)
    await staff.delete(f"{API}/books/{archived}", headers={"If-Match": "*"})
    before = await _everything(shop)

    for unknown in ("bk_01J00000000000000000000000", archived, "$ne", "x"):
        put = await customer.post(f"{API}/cart/items", json={"book_id": unknown, "quantity": 1})
        changed = await customer.put(f"{API}/cart/items/{unknown}", json={"quantity": 1})
        ordered = await order(customer, (sold, 1), (unknown, 1))
        assert [(one.status_code, one.json()["code"]) for one in (put, changed)] == [(404, "not_found")] * 2, unknown
        assert (ordered.status_code, ordered.json()["code"]) == (422, "validation_error"), unknown
        assert ordered.json()["errors"][0]["pointer"] == "/items/1/book_id"
        assert ordered.json()["errors"][0]["code"] == "book_not_sold"

    assert await _everything(shop) == before


async def test_a_cart_with_an_archived_book_is_not_ordered(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    sold, archived = await a_stocked_book(staff), await a_stocked_book(staff)
    for book in (sold, archived):
        await put_in_cart(customer, book)
    await staff.delete(f"{API}/books/{archived}", headers={"If-Match": "*"})

    refused = await order(customer)

    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_stock")
    assert refused.json()["lines"] == [{"book_id": archived, "requested": 1, "available": 0}]


@pytest.mark.parametrize(
    "extra",
    [
        {"total": {"amount": 1, "currency": "USD"}},
        {"subtotal": 1},
        {"shipping": {"amount": 0, "currency": "USD"}},
        {"user_id": "usr_01J00000000000000000000000"},
        {"status": "paid"},
        {"payment_status": "paid"},
        {"number": "1"},
        {"currency": "EUR"},
        {"items": [{"book_id": "BOOK", "quantity": 1, "unit_price": {"amount": 1, "currency": "USD"}}]},
        {"items": [{"book_id": "BOOK", "quantity": 1, "price": 1}]},
        {"items": [{"book_id": "BOOK", "quantity": 1}, {"book_id": "BOOK", "quantity": 1}]},
        {"items": []},
        {"items": {}},
        {"items": [{"book_id": {"$ne": None}, "quantity": 1}]},
        {"accept_prices": "yes"},
        {"accept_prices": 1},
        {"shipping_address": None},
        {"shipping_address": an_address() | {"country": "XX"}},
        {"shipping_address": an_address() | {"country": "gb"}},
        {"shipping_address": an_address() | {"name": ""}},
        {"shipping_address": an_address() | {"name": "a\r\nb"}},
        {"shipping_address": an_address() | {"city": "x" * 101}},
        {"shipping_address": an_address() | {"id": "adr_1"}},
        {"address_id": "adr_01J00000000000000000000000"},
        {"shipping_address": None, "address_id": "adr_01J00000000000000000000000"},
    ],
    ids=str,
)
async def test_the_shop_says_what_an_order_costs_and_whose_it_is(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, extra: dict[str, Any]
) -> None:
    book = await a_stocked_book(staff, 10)
    await put_in_cart(customer, book)
    before = await _everything(shop)
    body = order_body(**extra)
    for item in body.get("items") or []:
        if item["book_id"] == "BOOK":
            item["book_id"] = book

    refused = await customer.post(f"{API}/orders", json=body, headers=key())

    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert refused.json()["errors"]
    assert await _everything(shop) == before


@pytest.mark.parametrize("body", [{}, [], None, "order", {"$where": "1"}], ids=str)
async def test_no_such_order(customer: httpx.AsyncClient, body: Any) -> None:
    refused = await customer.post(f"{API}/orders", json=body, headers=key())

    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")


@pytest.mark.parametrize("sent", [b"", b" ", b"a b", b"x" * 256, b"\xc3\xa9", b"a\tb"], ids=repr)
async def test_keys_are_visible_ascii(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources, sent: bytes
) -> None:
    book = await a_stocked_book(staff)
    before = await _everything(shop)

    body = order_body(items=[{"book_id": book, "quantity": 1}])
    refused = await customer.post(f"{API}/orders", json=body, headers=[(b"Idempotency-Key", sent)])

    assert refused.status_code in {400, 422}
    assert refused.json()["code"] in {"idempotency_key_missing", "validation_error"}
    assert await _everything(shop) == before


async def test_a_key_belongs_to_one_body(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book = await a_stocked_book(staff)
    headers = key()
    await an_order(customer, (book, 1), headers=headers)
    before = await _everything(shop)

    other = await order(customer, (book, 2), headers=headers)
    elsewhere = await order(customer, (book, 1), headers=headers, accept_prices=True)

    for refused in (other, elsewhere):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert await _everything(shop) == before


async def test_strangers_orders_are_not_there(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, client: httpx.AsyncClient, shop: Resources
) -> None:
    hers = await an_order(staff, (await a_stocked_book(staff), 1))
    path = f"{API}/orders/{hers['id']}"
    before = await _everything(shop)

    foreign = [
        await customer.get(path),
        await customer.get(f"{path}/events"),
        await customer.post(f"{path}/cancel"),
        await customer.post(f"{path}/cancel", headers=key()),
    ]
    unknown = [await customer.get(f"{API}/orders/{other}") for other in ("ord_01J00000000000000000000000", "$ne", "x")]
    anonymous = [await client.get(path), await client.get(f"{API}/orders"), await client.post(f"{path}/cancel")]

    assert [(one.status_code, one.json()["code"]) for one in foreign + unknown] == [(404, "not_found")] * 7
    assert [one.status_code for one in anonymous] == [401] * 3
    assert (await customer.get(f"{API}/orders")).json()["data"] == []
    assert await _everything(shop) == before


async def test_an_order_ends_at_what_one_payment_can_be(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 99, price={"amount": 99_999_999, "currency": "USD"})

    refused = await order(customer, (book, 99))
    cart = await put_in_cart(customer, book, 99)

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert cart["subtotal"]["amount"] == 99 * 99_999_999
