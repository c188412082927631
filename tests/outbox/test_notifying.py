import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import clock
from app.events import Event, Kind
from app.ids import ORDER, OrderId, new_id, payment_id_of
from app.lifespan import Resources
from app.models.order import Order, OrderLine
from app.models.outbox_event import OutboxEvent, OutboxState
from app.models.user import User
from app.order_states import OrderStatus
from app.schemas.address import Address
from app.services.delivering import deliver
from app.services.notifying import notifications
from app.settings import Settings
from stack.mailbox import Mail, mails_in
from tests.factories.books import API
from tests.factories.orders import ADDRESS
from tests.outbox.conftest import Recorded
from tests.outbox.sink import mails_once_there
from workers.consumers import consumers

LINES = [
    OrderLine(book_id="bk_1", title="Emma <2nd>", authors=["Jane Austen"], isbn13=None, unit_price=129_950, quantity=2),
    OrderLine(book_id="bk_2", title="Persuasion", authors=[], isbn13=None, unit_price=1299, quantity=1),
]


async def a_customer(**changes: Any) -> User:
    moment = clock.now()
    name = new_id("n").lower()
    user = User.named(email=f"{name}@example.com", username=name, created_at=moment, updated_at=moment, **changes)
    await user.insert()
    return user


async def an_order(user: User, **changes: Any) -> Order:
    moment = clock.now()
    order_id = OrderId(new_id(ORDER))
    values: dict[str, Any] = {
        "id": order_id,
        "payment_id": payment_id_of(order_id),
        "number": "R-1234",
        "user_id": user.id,
        "lines": LINES,
        "subtotal": 261_199,
        "shipping": 499,
        "total": 261_698,
        "currency": "USD",
        "shipping_address": Address(**ADDRESS),
        "expires_at": moment + timedelta(minutes=30),
        "history": [],
        "created_at": moment,
        "updated_at": moment,
    }
    order = Order(**(values | changes))
    await order.insert()
    return order


@pytest.mark.parametrize(
    "told",
    [
        ("order.paid", "Your order (R-1234)", "We have your payment of $2,616.98"),
        ("order.payment_failed", "Your payment was refused (R-1234)", "Nothing was charged"),
        ("order.shipped", "Your books are on their way (R-1234)", "has left our house"),
        ("order.cancelled", "Your order was cancelled (R-1234)", "Nothing was charged"),
        ("order.expired", "Your order has expired (R-1234)", "wasn't paid in time"),
        ("order.refunded", "Your money is on its way back (R-1234)", "We have given back $5.00"),
    ],
)
async def test_a_customer_hears_what_became_of_an_order(
    shop: Resources, settings: Settings, record: Recorded, mails: Path, told: tuple[Kind, str, str]
) -> None:
    # given
    kind, subject, says = told
    user = await a_customer()
    order = await an_order(user)
    [event] = await record(Event(kind, order.id, {"order_id": order.id, "amount": 500}))

    # when
    await deliver(shop.database, [order.id], consumers=notifications(settings))

    # then
    assert user.email is not None
    [letter] = await mails_once_there(mails, to=user.email, count=1)
    assert (letter.identity, letter.subject) == (f"<{event}@bookstore.example>", subject)
    assert says in letter.body("plain")
    assert "2 x Emma <2nd> by Jane Austen\n    $1,299.50 each, $2,599.00\n1 x Persuasion\n" in letter.body("plain")
    assert "Total      $2,616.98\n" in letter.body("plain")
    assert "Emma &lt;2nd&gt;" in letter.body("html")
    assert says in letter.body("html")
    assert ("12 St James's Square" in letter.body("plain")) == (kind in {"order.paid", "order.shipped"})


@pytest.mark.parametrize("kind", ["order.cancelled", "order.expired"])
async def test_who_paid_for_an_order_that_ended_hears_that_it_comes_back(
    shop: Resources, settings: Settings, record: Recorded, mails: Path, kind: Kind
) -> None:
    user = await a_customer()
    order = await an_order(user, captured=261_698)
    await record(Event(kind, order.id))

    await deliver(shop.database, [order.id], consumers=notifications(settings))

    assert user.email is not None
    [letter] = await mails_once_there(mails, to=user.email, count=1)
    for body in (letter.body("plain"), letter.body("html")):
        assert "a message follows as soon as that is done" in body
        assert "Nothing was charged" not in body


async def test_an_order_links_to_the_shops_page_where_there_is_one(
    shop: Resources, settings: Settings, record: Recorded, mails: Path
) -> None:
    user = await a_customer()
    order = await an_order(user)
    await record(Event("order.paid", order.id))

    with_pages = settings.model_copy(update={"pages_url": "https://shop.example/"})
    await deliver(shop.database, [order.id], consumers=notifications(with_pages))

    assert user.email is not None
    [letter] = await mails_once_there(mails, to=user.email, count=1)
    assert f"https://shop.example/orders/{order.id}" in letter.body("plain")
    assert f'href="https://shop.example/orders/{order.id}"' in letter.body("html")


async def test_nobody_is_written_to_who_need_not_hear_of_it(
    shop: Resources, settings: Settings, record: Recorded, mails: Path
) -> None:
    # given an account that was deleted, an order that was paid after all, and one that isn't there
    gone = await a_customer(deleted=True)
    glad = await a_customer()
    orders = [await an_order(gone), await an_order(glad, status=OrderStatus.PAID, number="R-5678")]
    ids = await record(
        Event("order.paid", orders[0].id), Event("order.payment_failed", orders[1].id), Event("order.paid", "ord_none")
    )

    # when
    subjects = [*(order.id for order in orders), "ord_none"]
    await deliver(shop.database, subjects, consumers=notifications(settings))

    # then
    rows = [await OutboxEvent.find_one({"_id": event}) for event in ids]
    assert [row.state for row in rows if row] == [OutboxState.DELIVERED] * 3
    assert {mail.to for mail in mails_in(mails)} & {gone.email, glad.email} == set()


async def test_staff_hear_of_a_refund_that_failed_unless_all_went_back_since(
    shop: Resources, settings: Settings, record: Recorded, mails: Path
) -> None:
    # given
    user, staff = await a_customer(), f"{new_id('staff').lower()}@example.com"
    orders = [await an_order(user, number=new_id("R"), captured=500, refunded=refunded) for refunded in (200, 500)]
    await record(*(Event("order.refund_failed", order.id, {"order_id": order.id, "amount": 300}) for order in orders))

    # when
    to_staff = settings.model_copy(update={"staff_email": staff})
    await deliver(shop.database, [order.id for order in orders], consumers=notifications(to_staff))

    # then
    [letter] = await mails_once_there(mails, to=staff, count=1)
    assert letter.subject == f"A refund didn't arrive ({orders[0].number})"


async def registered(client: httpx.AsyncClient, name: str) -> User:
    body = {
        "email": f"{name}@example.com",
        "username": name,
        "password": "correct horse battery",
        "first_name": "Zarquon",
    }
    answer = await client.post(f"{API}/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    user = await User.of_id(answer.json()["user"]["id"])
    assert user is not None
    return user


def token_in(letter: Mail) -> str:
    """What a reader finds: a line that is nothing but the code."""
    [token] = [line for line in letter.body("plain").splitlines() if re.fullmatch(r"[\w-]{43}", line)]
    return token


async def test_an_address_is_confirmed_by_the_letter_that_registration_sends(
    client: httpx.AsyncClient, shop: Resources, settings: Settings, mails: Path
) -> None:
    # given
    user = await registered(client, "ada-of-letters")

    # when
    await deliver(shop.database, [user.id], consumers=consumers(settings))

    # then
    [letter] = await mails_once_there(mails, to="ada-of-letters@example.com", count=1)
    assert letter.subject == "Please confirm your address"
    # The address may be a stranger's: nothing that whoever registered wrote is told there.
    assert not any(own in letter.body(form) for own in ("Zarquon", "ada-of") for form in ("plain", "html"))
    token = token_in(letter)
    assert token in letter.body("html")
    assert token not in str(await shop.database.database["outbox_events"].find({}).to_list())
    assert (await client.post(f"{API}/auth/email/verify", json={"token": token})).status_code == 204


async def test_a_password_is_set_by_a_letter_and_older_letters_are_not_sent(
    client: httpx.AsyncClient, shop: Resources, settings: Settings, mails: Path
) -> None:
    # given two requests before any letter went out
    user = await registered(client, "grace-of-letters")
    for _ in range(2):
        asked = await client.post(f"{API}/auth/password/forgot", json={"email": user.email})
        assert asked.status_code == 202

    # when
    await deliver(shop.database, [user.id], consumers=consumers(settings))

    # then
    letters = await mails_once_there(mails, to="grace-of-letters@example.com", count=2)
    assert [letter.subject for letter in letters] == ["Please confirm your address", "A new password"]
    new = {"token": token_in(letters[1]), "password": "another horse battery"}
    assert (await client.post(f"{API}/auth/password/reset", json=new)).status_code == 204
    signed_in = await client.post(
        f"{API}/auth/login", json={"login": "grace-of-letters", "password": "another horse battery"}
    )
    assert signed_in.status_code == 200
