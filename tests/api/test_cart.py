import asyncio
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.lifespan import Resources
from app.models.cart import Cart
from tests.factories.books import API, stock_of
from tests.factories.buying import a_stocked_book, order, put_in_cart

CART = f"{API}/cart"


@pytest.fixture
async def guest(client: httpx.AsyncClient) -> httpx.AsyncClient:
    opened = await client.post(f"{API}/carts")
    assert opened.status_code == 201, opened.text
    client.headers["X-Cart-Token"] = opened.json()["cart_token"]
    return client


def _lines(cart: httpx.Response) -> list[tuple[str, int]]:
    assert cart.status_code == 200, cart.text
    return [(line["book_id"], line["quantity"]) for line in cart.json()["items"]]


@pytest.mark.parametrize("who", ["guest", "customer"])
async def test_books_are_put_in_changed_and_taken_out(
    staff: httpx.AsyncClient, guest: httpx.AsyncClient, customer: httpx.AsyncClient, who: str
) -> None:
    shopper = {"guest": guest, "customer": customer}[who]
    one = await a_stocked_book(staff, 99, title="One", price={"amount": 1000, "currency": "USD"})
    two = await a_stocked_book(staff, 99, title="Two", price={"amount": 1, "currency": "USD"})
    empty = await shopper.get(CART)

    await put_in_cart(shopper, one, 2)
    await put_in_cart(shopper, two, 1)
    cart = await put_in_cart(shopper, one, 3)

    assert _lines(empty) == []
    assert [(line["book_id"], line["quantity"], line["line_total"]["amount"]) for line in cart["items"]] == [
        (one, 5, 5000),
        (two, 1, 1),
    ]
    assert [cart[part]["amount"] for part in ("subtotal", "shipping", "total")] == [5001, 499, 5500]
    assert cart["quantity"] == 6
    assert all(line["problems"] == [] and line["availability"] == "in_stock" for line in cart["items"])
    assert (await shopper.put(f"{CART}/items/{one}", json={"quantity": 7})).json()["quantity"] == 8
    assert (await shopper.patch(f"{CART}/items/{two}", json={"quantity": 2})).json()["quantity"] == 9
    assert _lines(await shopper.get(CART)) == [(one, 7), (two, 2)]
    assert _lines(await shopper.put(f"{CART}/items/{one}", json={"quantity": 0})) == [(two, 2)]
    assert _lines(await shopper.put(f"{CART}/items/{one}", json={"quantity": 0})) == [(two, 2)]
    assert (await shopper.delete(f"{CART}/items/{two}")).status_code == 204
    assert (await shopper.delete(f"{CART}/items/{two}")).status_code == 404
    assert (await shopper.get(CART)).json()["total"] == {"amount": 0, "currency": "USD"}


async def test_a_cart_says_what_stands_against_its_lines(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    dearer, fewer, none, archived = [await a_stocked_book(staff, 9, title=f"Book {n}") for n in range(4)]
    for book in (dearer, fewer, none, archived):
        await put_in_cart(customer, book, 2)

    new_price = {"price": {"amount": 5000, "currency": "USD"}}
    await staff.patch(f"{API}/books/{dearer}", json=new_price, headers={"If-Match": "*"})
    await stock_of(staff, fewer, 1)
    await stock_of(staff, none, 0)
    await staff.delete(f"{API}/books/{archived}", headers={"If-Match": "*"})

    cart = (await customer.get(CART)).json()
    assert [line["problems"] for line in cart["items"]] == [
        ["price_changed"],
        ["insufficient_stock"],
        ["out_of_stock"],
        ["not_sold"],
    ]
    assert [line["availability"] for line in cart["items"][2:]] == ["out_of_stock"] * 2
    assert (cart["items"][0]["unit_price"]["amount"], cart["items"][0]["price_when_added"]["amount"]) == (5000, 1299)
    assert cart["subtotal"]["amount"] == 2 * 5000 + 4 * 1299


async def test_more_than_there_are_are_not_put_in(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 3)
    await put_in_cart(customer, book, 2)

    refused = [
        await customer.post(f"{CART}/items", json={"book_id": book, "quantity": 2}),
        await customer.patch(f"{CART}/items/{book}", json={"quantity": 4}),
    ]

    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
        assert answer.json()["lines"] == [{"book_id": book, "requested": 4, "available": 3}]
    assert _lines(await customer.get(CART)) == [(book, 2)]


async def test_of_what_is_not_sold_any_more_there_can_only_be_fewer(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    # given
    book = await a_stocked_book(staff, 9)
    await put_in_cart(customer, book, 3)
    await staff.delete(f"{API}/books/{book}", headers={"If-Match": "*"})
    path = f"{CART}/items/{book}"

    # when
    more = [
        await customer.post(f"{CART}/items", json={"book_id": book, "quantity": 1}),
        await customer.put(path, json={"quantity": 4}),
        await customer.patch(path, json={"quantity": 4}),
    ]

    # then
    assert [(one.status_code, one.json()["code"]) for one in more] == [(404, "not_found")] * 3
    assert len({one.json()["detail"] for one in more}) == 1
    assert _lines(await customer.get(CART)) == [(book, 3)]
    assert _lines(await customer.put(path, json={"quantity": 3})) == [(book, 3)]
    assert _lines(await customer.patch(path, json={"quantity": 1})) == [(book, 1)]
    assert (await customer.delete(path)).status_code == 204


async def test_a_book_that_was_removed_outside_the_program_is_shown_as_not_sold(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    # given
    gone, other = [await a_stocked_book(staff, 9, title=title) for title in ("Gone", "Other")]
    await put_in_cart(customer, gone, 2)
    await shop.database.database["books"].delete_one({"_id": gone})
    await shop.database.database["inventory"].delete_one({"_id": gone})

    # when
    cart = (await customer.get(CART)).json()
    more = await put_in_cart(customer, other, 1)
    refused = await order(customer)

    # then
    [line] = cart["items"]
    assert (line["book_id"], line["quantity"], line["problems"]) == (gone, 2, ["not_sold"])
    assert line["unit_price"] == line["price_when_added"] == {"amount": 1299, "currency": "USD"}
    assert line["availability"] == "out_of_stock"
    assert cart["total"]["amount"] == 0
    assert more["subtotal"]["amount"] == 1299
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_stock")
    assert refused.json()["lines"] == [{"book_id": gone, "requested": 2, "available": 0}]
    assert (await customer.delete(f"{CART}/items/{gone}")).status_code == 204
    assert _lines(await customer.get(CART)) == [(other, 1)]
    assert (await order(customer)).status_code == 201


async def test_copies_of_a_book_end_at_ninety_nine(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 1000)
    await put_in_cart(customer, book, 99)

    refused = await customer.post(f"{CART}/items", json={"book_id": book, "quantity": 1})

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert _lines(await customer.get(CART)) == [(book, 99)]


async def test_a_change_of_what_one_did_not_see_is_refused(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff, 99)
    await put_in_cart(customer, book, 1)
    seen = (await customer.get(CART)).headers["etag"]
    await put_in_cart(customer, book, 1)
    path, stale = f"{CART}/items/{book}", {"If-Match": seen}

    refused = [
        await customer.patch(path, json={"quantity": 9}, headers=stale),
        await customer.delete(path, headers=stale),
        await customer.delete(CART, headers=stale),
    ]
    current = refused[0].headers["etag"]
    allowed = await customer.patch(path, json={"quantity": 9}, headers={"If-Match": current})

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(412, "precondition_failed")] * 3
    assert current == refused[1].headers["etag"] != seen
    assert _lines(allowed) == [(book, 9)]


async def test_carts_are_their_owners_alone(
    staff: httpx.AsyncClient, guest: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff)
    for shopper, copies in ((guest, 1), (customer, 2), (staff, 3)):
        await put_in_cart(shopper, book, copies)

    carts = [_lines(await shopper.get(CART)) for shopper in (guest, customer, staff)]
    guest.headers["X-Cart-Token"] = "guessed"
    strange = [await guest.get(CART), await guest.post(f"{CART}/items", json={"book_id": book})]
    del guest.headers["X-Cart-Token"]
    nobody = await guest.get(CART)

    assert carts == [[(book, 1)], [(book, 2)], [(book, 3)]]
    assert [(one.status_code, one.json()["code"]) for one in strange] == [(404, "not_found")] * 2
    assert (nobody.status_code, nobody.json()["code"]) == (401, "authentication_required")


async def test_a_guests_cart_comes_along(
    staff: httpx.AsyncClient, guest: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    both, hers = await a_stocked_book(staff, 99), await a_stocked_book(staff, 99)
    await put_in_cart(guest, both, 60)
    await put_in_cart(guest, hers, 1)
    await put_in_cart(customer, both, 60)
    token, headers = {"cart_token": guest.headers["X-Cart-Token"]}, {"Idempotency-Key": "signed-in"}

    merged = await customer.post(f"{CART}/merge", json=token, headers=headers)
    repeated = await customer.post(f"{CART}/merge", json=token, headers=headers)
    again = await customer.post(f"{CART}/merge", json=token)

    assert _lines(merged) == [(both, 99), (hers, 1)]
    assert repeated.content == merged.content
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert (await guest.get(CART)).status_code == 404


async def test_a_guests_cart_runs_out(guest: httpx.AsyncClient, shop: Resources) -> None:
    carts = shop.database.database["carts"]
    await carts.update_many({}, {"$set": {"expires_at": clock.now() - timedelta(seconds=1)}})

    gone = await guest.get(CART)

    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    indexes = await carts.index_information()
    assert indexes["expires_at_1"]["expireAfterSeconds"] == 0


async def test_a_cart_is_made_once(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    books = [await a_stocked_book(staff, title=f"Book {n}") for n in range(10)]

    await asyncio.gather(*(put_in_cart(customer, book) for book in books))

    assert sorted(_lines(await customer.get(CART))) == [(book, 1) for book in sorted(books)]
    assert await Cart.count() == 1


async def test_a_repeat_puts_in_once(staff: httpx.AsyncClient, guest: httpx.AsyncClient) -> None:
    item = {"book_id": await a_stocked_book(staff), "quantity": 1}

    answers = await asyncio.gather(
        *(guest.post(f"{CART}/items", json=item, headers={"Idempotency-Key": "k"}) for _ in range(10))
    )

    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.content for answer in answers}) == 1
    assert (await guest.get(CART)).json()["quantity"] == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"price": {"amount": 1, "currency": "USD"}},
        {"price_when_added": {"amount": 1, "currency": "USD"}},
        {"unit_price": 1},
        {"total": 1},
        {"user_id": "usr_01J00000000000000000000000"},
        {"cart_id": "crt_01J00000000000000000000000"},
        {"$set": {"quantity": 5}},
    ],
)
async def test_the_shop_says_what_a_line_costs_and_whose_it_is(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, extra: dict[str, object]
) -> None:
    book = await a_stocked_book(staff)
    await put_in_cart(customer, book)
    before = (await customer.get(CART)).json()

    answers = [
        await customer.post(f"{CART}/items", json={"book_id": book, "quantity": 1} | extra),
        await customer.put(f"{CART}/items/{book}", json={"quantity": 2} | extra),
        await customer.patch(f"{CART}/items/{book}", json={"quantity": 2} | extra),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "validation_error")] * 3
    assert (await customer.get(CART)).json() == before
