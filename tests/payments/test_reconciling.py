from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.database import Database
from app.errors import DeadlineExceeded
from app.lifespan import Resources
from app.models.gateway_mark import GatewayMark
from app.models.payment import Payment
from app.models.webhook_event import WebhookEvent
from app.order_states import OrderStatus
from app.payments.till import Till
from app.services import fulfilment, hearing, reconciling
from app.services.paying import ASK_EVERY, pay_order, start_payment
from app.services.reconciling import reconcile
from tests.factories.orders import VISA, an_order, an_order_paid_in_the_browser, order_now, rows
from tests.payments.test_paying import TOTAL, books
from tests.payments.weather import Fault, Weather
from workers.schedule import SCHEDULE


async def time_passes(shop: Resources, by: timedelta = ASK_EVERY) -> None:
    """Let everything that is to happen later be due by so much earlier."""
    for collection, field in (("payments", "ask_at"), ("refunds", "free_at")):
        await shop.database.database[collection].update_many(
            {field: {"$type": "date"}},
            [{"$set": {field: {"$subtract": [f"${field}", by // timedelta(milliseconds=1)]}}}],
        )


async def the_record_was_read(shop: Resources, *, until: datetime) -> None:
    rows = shop.database.database["gateway_marks"]
    await rows.update_one({"_id": "events"}, {"$set": {"until": until}}, upsert=True)


async def test_a_lost_webhook_is_repaired(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    # given: the payer paid in the browser, and nobody told us
    order, _ = await an_order_paid_in_the_browser(till, staff)

    # when
    rounds = [await reconcile(till) for _ in range(3)]

    # then
    assert rounds == [1, 0, 0]
    assert (await order_now(order)).status == OrderStatus.PAID
    assert await books(shop) == {("sales", "gateway"): TOTAL}


async def test_a_refund_at_the_gateway_is_entered_without_its_webhook(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given: somebody gave a part back in the gateway's dashboard
    order = await an_order(till, staff)
    payment = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    assert payment is not None
    assert payment.intent_id is not None
    await reconcile(till)
    await till.gateway.refund(payment.intent_id, refund_id="by hand", amount=100)

    # when
    rounds = [await reconcile(till) for _ in range(2)]

    # then
    assert rounds == [1, 0]
    assert (await order_now(order)).refunded == 100
    assert await books(shop) == {("sales", "gateway"): TOTAL, ("gateway", "sales"): 100}


async def test_a_payment_that_the_gateway_does_not_know_keeps_no_other_from_being_asked_about(
    till: Till, shop: Resources, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: nothing in the record, and one who asks; the unknown one has waited longest
    monkeypatch.setattr(reconciling, "_AT_ONCE", 1)
    unknown = await start_payment(till, await an_order(till, staff))
    order, _ = await an_order_paid_in_the_browser(till, staff)
    await the_record_was_read(shop, until=clock.now() + timedelta(minutes=1))
    await time_passes(shop)
    await shop.database.database["payments"].update_one(
        {"_id": unknown.id}, {"$set": {"intent_id": "pi_of_another_account"}}
    )

    # when
    settled = await reconcile(till)

    # then
    assert settled == 1
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_right_after_an_election_no_event_is_taken_for_a_strangers(
    till: Till, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the new primary shows only who waits for it what was acknowledged before
    order, _ = await an_order_paid_in_the_browser(till, staff)
    caught_up, intact_fresh, intact_read = False, Database.fresh, Payment.ids_of_intents

    async def fresh(database: Database, read: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal caught_up
        caught_up = True
        return await intact_fresh(database, read)

    async def ids_of_intents(intent_ids: Sequence[str]) -> dict[str, str]:
        return await intact_read(intent_ids) if caught_up else {}

    monkeypatch.setattr(Database, "fresh", fresh)
    monkeypatch.setattr(Payment, "ids_of_intents", ids_of_intents)

    # when
    await reconcile(till)

    # then
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_what_a_webhook_told_is_no_news(till: Till, shop: Resources, staff: httpx.AsyncClient) -> None:
    # given: paid in the browser, and the webhook came
    order, payment = await an_order_paid_in_the_browser(till, staff)
    [event] = [one for one in await till.gateway.events_since(order.created_at) if one.intent_id == payment.intent_id]
    told = WebhookEvent(id=event.id, kind=event.kind, intent_id=event.intent_id, received_at=clock.now())
    await told.note()

    assert await reconcile(till) == 0
    assert await GatewayMark.read_until() is not None


def test_a_lost_webhook_is_repaired_within_a_minute() -> None:
    every = SCHEDULE["ask about payments"]["schedule"]

    assert isinstance(every, float)
    assert 2 * every + 2 * reconciling._SECONDS <= 60
    assert every > reconciling._SECONDS


async def test_who_never_pays_is_asked_about_until_the_order_ends(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given
    order = await an_order(till, staff)
    payment = await start_payment(till, order)

    # when
    rounds = []
    for _ in range(3):
        await time_passes(shop)
        rounds.append(await reconcile(till))
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.EXPIRED, actor="clock", attempt=work))
    for _ in range(3):
        await time_passes(shop)
        rounds.append(await reconcile(till))

    # then
    assert rounds == [1, 1, 1, 1, 1, 0]  # the fifth finds in the gateway's record what the fourth did there
    found = await Payment.of_id(payment.id)
    assert found is not None
    assert (found.status.value, found.ask_at) == ("cancelled", None)


async def test_a_gateway_that_is_away_is_asked_later(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given: the payer paid in the browser, nobody told us, and then the gateway goes away
    order, _ = await an_order_paid_in_the_browser(till, staff)
    weather.strike("", Fault.DOWN, times=1000)

    # when
    await time_passes(shop)
    away = await reconcile(till)
    weather.clear()
    back = await reconcile(till)

    # then
    assert (away, back) == (0, 1)
    assert (await order_now(order)).status == OrderStatus.PAID


async def test_refunds_that_wait_are_given(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather
) -> None:
    # given: cancelled while the gateway was away
    order = await an_order(till, staff)
    paid = await pay_order(till, order.id, payment_method=VISA, attempt="1")
    assert paid is not None
    await reconcile(till)
    await till.commit(lambda work: fulfilment.release(order.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    await Payment.ask_again(paid.id, at=clock.now())
    weather.strike("refunds", Fault.UNAVAILABLE)

    # when
    first = await reconcile(till)
    second = await reconcile(till)
    await time_passes(shop)
    await reconcile(till)

    # then
    assert (first, second) == (0, 0)
    assert [row["status"] for row in await rows(shop, "refunds")] == ["succeeded"]
    assert (await order_now(order)).payment_status.value == "refunded"


async def test_a_backlog_ends_in_time_and_leaves_some_for_refunds_that_wait(
    till: Till, shop: Resources, staff: httpx.AsyncClient, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a refund that waits, two payments that nobody told us of, and a gateway so slow that one takes the round
    cancelled = await an_order(till, staff)
    paid = await pay_order(till, cancelled.id, payment_method=VISA, attempt="1")
    assert paid is not None
    await reconcile(till)
    await till.commit(lambda work: fulfilment.release(cancelled.id, to=OrderStatus.CANCELLED, actor="x", attempt=work))
    await Payment.ask_again(paid.id, at=clock.now())
    weather.strike("refunds", Fault.UNAVAILABLE)
    await reconcile(till)
    await time_passes(shop)
    orders = [(await an_order_paid_in_the_browser(till, staff))[0] for _ in range(2)]
    intact_heed, intact_clock, passed, a_round = hearing.heed, clock.monotonic, 0.0, 600.0

    async def slowly(till: Till, payment_id: str, *, notice: str) -> None:
        nonlocal passed
        await intact_heed(till, payment_id, notice=notice)
        passed += a_round

    monkeypatch.setattr(reconciling, "heed", slowly)
    monkeypatch.setattr(reconciling, "_AT_ONCE", 1)
    monkeypatch.setattr(clock, "monotonic", lambda: intact_clock() + passed)

    # when
    await reconcile(till, seconds=a_round)

    # then
    states = sorted([(await order_now(order)).status for order in orders])
    assert states == [OrderStatus.PAID, OrderStatus.PENDING_PAYMENT]
    assert [row["status"] for row in await rows(shop, "refunds")] == ["succeeded"]

    # and the next rounds go on where this one stopped, with news of the refund among it
    for _ in range(4):
        await reconcile(till, seconds=a_round)
    assert [(await order_now(order)).status for order in orders] == [OrderStatus.PAID, OrderStatus.PAID]


async def test_a_long_silence_is_made_up_for_piece_by_piece(
    till: Till, shop: Resources, staff: httpx.AsyncClient
) -> None:
    # given: the record was last read some hours ago
    order, _ = await an_order_paid_in_the_browser(till, staff)
    await the_record_was_read(shop, until=clock.now() - timedelta(hours=4))

    # when: each round has no time for more than one piece
    reached = []
    while (await order_now(order)).status != OrderStatus.PAID:
        await reconcile(till, seconds=0.001)
        reached.append(await GatewayMark.read_until())

    # then
    assert reached == sorted(reached)  # type: ignore[type-var]  # it was read, so there is a mark
    assert len(reached) > 2


async def test_news_that_an_election_came_between_is_heard_again(
    till: Till, shop: Resources, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    order, _ = await an_order_paid_in_the_browser(till, staff)
    before = clock.now() - timedelta(minutes=1)
    await shop.database.database["gateway_marks"].update_one(
        {"_id": "events"}, {"$set": {"until": before}}, upsert=True
    )

    async def no_primary(*_: object, **__: object) -> None:
        raise DeadlineExceeded("The database took too long.")

    # when
    with monkeypatch.context() as election:
        election.setattr(hearing, "settle", no_primary)
        await reconcile(till)
    unheard = await GatewayMark.read_until()
    await reconcile(till)

    # then
    assert unheard == before
    assert (await order_now(order)).status == OrderStatus.PAID
