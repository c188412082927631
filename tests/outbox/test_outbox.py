from datetime import timedelta

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.events import Event
from app.lifespan import Resources
from app.models.outbox_event import LEASE, OutboxEvent, OutboxState
from tests.outbox.conftest import Recorded


async def test_an_event_is_written_with_what_it_tells_of_or_not_at_all(shop: Resources) -> None:
    async def refused(session: AsyncClientSession) -> None:
        await OutboxEvent.add(Event("order.paid", "ord_1"), session=session)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await shop.database.run_in_transaction(refused)

    assert await OutboxEvent.find_all().to_list() == []


async def test_events_of_a_subject_are_taken_in_order_and_one_at_a_time(record: Recorded) -> None:
    first, second = await record(Event("order.placed", "ord_1"), Event("order.paid", "ord_1"))
    now = clock.now()

    taken = await OutboxEvent.take_next("ord_1", now=now)
    assert taken is not None
    assert (taken.id, taken.attempts) == (first, 1)
    assert await OutboxEvent.take_next("ord_1", now=now) is None

    await taken.deliver(at=now)
    following = await OutboxEvent.take_next("ord_1", now=now)
    assert following is not None
    assert following.id == second


async def test_who_lost_the_lease_settles_nothing(record: Recorded) -> None:
    await record(Event("order.paid", "ord_1"))
    now = clock.now()
    slow = await OutboxEvent.take_next("ord_1", now=now)
    other = await OutboxEvent.take_next("ord_1", now=now + LEASE + timedelta(seconds=1))
    assert slow is not None
    assert other is not None

    await slow.give_up("too late")

    found = await OutboxEvent.find_one({"_id": slow.id})
    assert found is not None
    assert (found.state, found.attempts, found.error) == (OutboxState.WAITING, 2, None)


async def test_later_events_wait_while_the_oldest_rests_and_go_on_when_it_is_given_up(record: Recorded) -> None:
    _, second = await record(Event("order.placed", "ord_1"), Event("order.paid", "ord_1"))
    now = clock.now()
    oldest = await OutboxEvent.take_next("ord_1", now=now)
    assert oldest is not None
    await oldest.put_off("mail server away", until=now + timedelta(minutes=5))

    assert await OutboxEvent.take_next("ord_1", now=now) is None
    assert await OutboxEvent.subjects_to_ring_for(now=now + timedelta(minutes=4), limit=10) == []
    assert await OutboxEvent.subjects_to_ring_for(now=now + timedelta(minutes=5), limit=10) == ["ord_1"]

    again = await OutboxEvent.take_next("ord_1", now=now + timedelta(minutes=5))
    assert again is not None
    await again.give_up("poison")
    following = await OutboxEvent.take_next("ord_1", now=now + timedelta(minutes=5))
    assert following is not None
    assert following.id == second


async def test_a_subject_is_rung_for_once_until_it_is_time_again(record: Recorded) -> None:
    await record(Event("order.placed", "ord_1"), Event("order.paid", "ord_1"), Event("order.paid", "ord_2"))
    now = clock.now()

    assert await OutboxEvent.subjects_to_ring_for(now=now, limit=10) == ["ord_1", "ord_2"]
    await OutboxEvent.claim_ringing(["ord_1"], now=now, again_at=now + timedelta(seconds=3))

    assert await OutboxEvent.subjects_to_ring_for(now=now, limit=10) == ["ord_2"]
    later = now + timedelta(seconds=3)
    assert await OutboxEvent.subjects_to_ring_for(now=later, limit=10) == ["ord_2", "ord_1"]
