import asyncio

import httpx

from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from tests.factories.books import API, a_book, stock_of
from tests.factories.buying import a_stocked_book, an_address, an_order, key, order, order_body, put_in_cart, stock


async def test_a_cart_becomes_an_order(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    one = await a_stocked_book(staff, 10, title="One", price={"amount": 1299, "currency": "USD"})
    two = await a_stocked_book(staff, 10, title="Two", price={"amount": 250, "currency": "USD"}, isbn13="9780441478125")
    await put_in_cart(customer, one, 2)
    await put_in_cart(customer, two)

    response = await order(customer)

    placed = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{API}/orders/{placed['id']}"
    assert response.headers["cache-control"] == "private, no-store"
    assert (placed["status"], placed["payment_status"]) == ("pending_payment", "requires_payment")
    assert [(i["book_id"], i["title"], i["unit_price"]["amount"], i["quantity"]) for i in placed["items"]] == [
        (one, "One", 1299, 2),
        (two, "Two", 250, 1),
    ]
    assert [item["line_total"] for item in placed["items"]] == [
        {"amount": 2598, "currency": "USD"},
        {"amount": 250, "currency": "USD"},
    ]
    assert placed["items"][1]["isbn13"] == "9780441478125"
    assert [placed[part]["amount"] for part in ("subtotal", "shipping", "total")] == [2848, 499, 3347]
    assert placed["shipping_address"] == {"line2": None, "region": None, "phone": None} | an_address()
    assert (await customer.get(f"{API}/cart")).json()["items"] == []
    assert [await stock(staff, one), await stock(staff, two)] == [(10, 2), (10, 1)]
    assert (await customer.get(f"{API}/orders/{placed['id']}")).json() == placed
    assert (await customer.get(f"{API}/orders")).json()["data"] == [placed]


async def test_what_was_ordered_is_told_and_kept(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, shop: Resources
) -> None:
    book = await a_stocked_book(staff, 3)
    placed = await an_order(customer, (book, 3))

    history = (await customer.get(f"{API}/orders/{placed['id']}/events")).json()["data"]
    movements = (await staff.get(f"{API}/inventory/{book}/movements")).json()["data"]
    told = await OutboxEvent.find({"subject": placed["id"]}).to_list()

    assert [(one["kind"], one["status"], one["actor"]) for one in history] == [
        ("placed", "pending_payment", "customer")
    ]
    assert [(one["kind"], one["delta"], one["held_delta"], one["order_id"]) for one in movements] == [
        ("held", 0, 3, placed["id"]),
        ("correction", 3, 0, None),
    ]
    assert [(one.kind, one.data) for one in told] == [("order.placed", {"order_id": placed["id"]})]
    assert set(placed["payment"]) == {"id", "status", "client_secret"}
    assert placed["payment"]["status"] == "requires_payment"
    assert placed["payment"]["client_secret"]
    assert (await staff.get(f"{API}/books/{book}")).json()["availability"] == "out_of_stock"


async def test_items_are_ordered_beside_the_cart(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    in_cart, now = await a_stocked_book(staff), await a_stocked_book(staff)
    await put_in_cart(customer, in_cart)

    placed = await an_order(customer, (now, 1))

    assert [item["book_id"] for item in placed["items"]] == [now]
    assert [item["book_id"] for item in (await customer.get(f"{API}/cart")).json()["items"]] == [in_cart]


async def test_a_short_line_that_nobody_looked_at_before_is_named_too(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    few, unknown = await a_stocked_book(staff, 2), await a_stocked_book(staff, 1)
    assert (await order(customer, (few, 3))).status_code == 409  # known to be few, from now on

    refused = await order(customer, (few, 3), (unknown, 2))

    assert {(line["book_id"], line["available"]) for line in refused.json()["lines"]} == {(few, 2), (unknown, 1)}


async def test_what_is_sold_no_more_is_named_with_what_is_short(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    gone, short = await a_stocked_book(staff, 5), await a_stocked_book(staff, 5)
    await put_in_cart(customer, gone, 1)
    await put_in_cart(customer, short, 4)
    assert (await staff.delete(f"{API}/books/{gone}", headers={"If-Match": "*"})).status_code == 204
    await stock_of(staff, short, 1)

    refused = await order(customer)

    assert {(line["book_id"], line["available"]) for line in refused.json()["lines"]} == {(gone, 0), (short, 1)}


async def test_every_short_line_is_named_and_nothing_is_taken(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    plenty, few, none = await a_stocked_book(staff, 9), await a_stocked_book(staff, 2), await a_stocked_book(staff, 0)

    refused = await order(customer, (plenty, 9), (few, 3), (none, 1))

    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_stock")
    assert refused.json()["lines"] == [
        {"book_id": few, "requested": 3, "available": 2},
        {"book_id": none, "requested": 1, "available": 0},
    ]
    assert [await stock(staff, book) for book in (plenty, few, none)] == [(9, 0), (2, 0), (0, 0)]
    assert (await customer.get(f"{API}/orders")).json()["data"] == []


async def test_a_changed_price_is_shown_before_it_is_charged(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff, price={"amount": 1000, "currency": "USD"})
    await put_in_cart(customer, book)
    dearer = {"price": {"amount": 1500, "currency": "USD"}}
    await staff.patch(f"{API}/books/{book}", json=dearer, headers={"If-Match": "*"})
    headers = key()

    refused = await order(customer, headers=headers)
    accepted = await order(customer, headers=headers, accept_prices=True)

    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert refused.json()["lines"] == [
        {"book_id": book, "old": {"amount": 1000, "currency": "USD"}, "new": {"amount": 1500, "currency": "USD"}}
    ]
    assert accepted.status_code == 201
    assert accepted.json()["subtotal"]["amount"] == 1500


async def test_prices_and_titles_of_an_order_stay(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, title="Before", price={"amount": 1000, "currency": "USD"})
    placed = await an_order(customer, (book, 1))

    changed = {"title": "After", "price": {"amount": 1, "currency": "USD"}}
    await staff.patch(f"{API}/books/{book}", json=changed, headers={"If-Match": "*"})
    await staff.delete(f"{API}/books/{book}", headers={"If-Match": "*"})

    assert (await customer.get(f"{API}/orders/{placed['id']}")).json() == placed


async def test_an_empty_cart_is_no_order(customer: httpx.AsyncClient) -> None:
    refused = await order(customer)

    assert (refused.status_code, refused.json()["code"]) == (409, "cart_empty")


async def test_a_repeat_gives_the_same_order(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 1)
    await put_in_cart(customer, book)
    headers = key()

    first = await order(customer, headers=headers)
    again = await order(customer, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert await stock(staff, book) == (1, 1)


async def test_fifty_identical_orders_at_once_are_one(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 30)
    headers = key()

    answers = await asyncio.gather(*(order(customer, (book, 1), headers=headers) for _ in range(50)))

    assert [answer.status_code for answer in answers] == [201] * 50
    assert len({answer.content for answer in answers}) == 1
    assert await stock(staff, book) == (30, 1)
    assert len((await customer.get(f"{API}/orders")).json()["data"]) == 1


async def test_thirty_buyers_of_ten_copies(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 10)

    answers = await asyncio.gather(*(order(customer, (book, 1)) for _ in range(30)))

    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 20
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"insufficient_stock"}
    assert await stock(staff, book) == (10, 10)


async def test_a_cancelled_order_gives_its_copies_back_once(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff, 2)
    placed = await an_order(customer, (book, 2))
    path = f"{API}/orders/{placed['id']}/cancel"

    answers = [await customer.post(path, json={"reason": "changed my mind"}), await customer.post(path)]

    assert [(one.status_code, one.json()["status"]) for one in answers] == [(200, "cancelled")] * 2
    assert answers[0].content == answers[1].content
    assert await stock(staff, book) == (2, 0)
    assert (await staff.get(f"{API}/books/{book}")).json()["availability"] == "low_stock"
    history = (await customer.get(f"{API}/orders/{placed['id']}/events")).json()["data"]
    assert [(one["kind"], one["reason"]) for one in history] == [("placed", None), ("cancelled", "changed my mind")]


async def test_orders_are_records(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    placed = await an_order(customer, (await a_stocked_book(staff), 1))

    refused = await customer.delete(f"{API}/orders/{placed['id']}")

    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_staff_move_orders_only_where_the_table_lets_them(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff)
    placed = await an_order(customer, (book, 1))
    path = f"{API}/orders/{placed['id']}/transitions"

    refused = {to: await staff.post(path, json={"to": to}) for to in ("paid", "expired", "shipped", "pending_payment")}
    cancelled = await staff.post(path, json={"to": "cancelled"})
    late = await staff.post(path, json={"to": "processing"})

    for to, answer in refused.items():
        assert (answer.status_code, answer.json()["code"], answer.json()["allowed"]) == (
            409,
            "invalid_transition",
            ["cancelled"],
        ), to
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (late.status_code, late.json()["allowed"]) == (409, [])
    assert await stock(staff, book) == (10, 0)


async def test_staff_find_orders(staff: httpx.AsyncClient, customer: httpx.AsyncClient) -> None:
    book = await a_stocked_book(staff, 10)
    placed = [await an_order(customer, (book, 1)) for _ in range(3)]
    await customer.post(f"{API}/orders/{placed[0]['id']}/cancel")
    path = f"{API}/admin/orders"

    async def found(query: str) -> list[str]:
        answer = await staff.get(f"{path}?{query}")
        assert answer.status_code == 200, answer.text
        return [one["order"]["id"] for one in answer.json()["data"]]

    ids = [one["id"] for one in placed]
    assert await found("") == ids[::-1]
    assert await found("status=cancelled") == ids[:1]
    assert await found("status=cancelled&status=pending_payment&limit=1") == ids[2:]
    assert await found(f"number={placed[1]['number']}") == ids[1:2]
    assert await found("user_id=usr_unknown") == []
    assert await found(f"created_to={placed[0]['created_at']}&created_from=2020-01-01T00:00:00Z") == ids[:1]
    assert await found("payment_status=paid") == []
    assert (await staff.get(f"{path}?status=lost")).status_code == 422


async def test_a_book_of_one_copy_is_kept_for_who_ordered_it(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    book = (await a_book(staff))["id"]
    await stock_of(staff, book, 1)
    await an_order(customer, (book, 1))

    refused = await staff.patch(f"{API}/inventory/{book}", json={"set": 0, "reason": "gone"})

    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_stock")


async def test_the_body_without_a_key_is_refused(customer: httpx.AsyncClient) -> None:
    refused = await customer.post(f"{API}/orders", json=order_body())

    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_missing")


async def test_an_order_takes_a_copy_of_a_saved_address(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, other_customer: httpx.AsyncClient
) -> None:
    book = await a_stocked_book(staff)
    saved = await customer.post(f"{API}/users/me/addresses", json=an_address())
    headers, chosen = key(), {"shipping_address": None, "address_id": saved.json()["id"]}

    placed = await order(customer, (book, 1), headers=headers, **chosen)
    foreign = await order(other_customer, (book, 1), **chosen)
    await customer.delete(f"{API}/users/me/addresses/{saved.json()['id']}")
    again = await order(customer, (book, 1), headers=headers, **chosen)

    assert placed.json()["shipping_address"] == {"line2": None, "region": None, "phone": None} | an_address()
    assert (foreign.status_code, foreign.json()["errors"][0]["code"]) == (422, "unknown_address")
    assert (again.status_code, again.content) == (201, placed.content)
    assert await stock(staff, book) == (10, 1)
