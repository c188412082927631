import asyncio
from datetime import datetime, timedelta

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.events import Event
from app.lifespan import Resources
from app.models.outbox_event import LEASE, OutboxEvent, OutboxState
from tests.outbox.conftest import Recorded


async def _take(subject: str, *, now: datetime) -> OutboxEvent | None:
    taken = await OutboxEvent.take_oldest([subject], now=now)
    assert [event.subject for event in taken] in ([], [subject])
    return taken[0] if taken else None


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

    taken = await _take("ord_1", now=now)
    assert taken is not None
    assert (taken.id, taken.attempts) == (first, 1)
    assert await _take("ord_1", now=now) is None

    await OutboxEvent.deliver([taken], at=now)
    following = await _take("ord_1", now=now)
    assert following is not None
    assert following.id == second


async def test_of_many_who_take_at_once_each_event_goes_to_one(record: Recorded) -> None:
    subjects = [f"ord_{number}" for number in range(20)]
    await record(*(Event("order.paid", subject) for subject in subjects))
    now = clock.now()

    shares = await asyncio.gather(*(OutboxEvent.take_oldest(subjects, now=now) for _ in range(5)))

    assert sorted(event.subject for share in shares for event in share) == sorted(subjects)


async def test_who_lost_the_lease_settles_nothing(record: Recorded) -> None:
    await record(Event("order.paid", "ord_1"))
    now = clock.now()
    slow = await _take("ord_1", now=now)
    other = await _take("ord_1", now=now + LEASE + timedelta(seconds=1))
    assert slow is not None
    assert other is not None

    await slow.give_up("too late")

    found = await OutboxEvent.find_one({"_id": slow.id})
    assert found is not None
    assert (found.state, found.attempts, found.error) == (OutboxState.WAITING, 2, None)


async def test_later_events_wait_while_the_oldest_rests_and_go_on_when_it_is_given_up(record: Recorded) -> None:
    _, second = await record(Event("order.placed", "ord_1"), Event("order.paid", "ord_1"))
    now = clock.now()
    oldest = await _take("ord_1", now=now)
    assert oldest is not None
    await oldest.put_off("mail server away", until=now + timedelta(minutes=5))

    assert await _take("ord_1", now=now) is None
    assert await OutboxEvent.subjects_to_ring_for(now=now + timedelta(minutes=4), limit=10) == []
    assert await OutboxEvent.subjects_to_ring_for(now=now + timedelta(minutes=5), limit=10) == ["ord_1"]

    again = await _take("ord_1", now=now + timedelta(minutes=5))
    assert again is not None
    await again.give_up("poison")
    following = await _take("ord_1", now=now + timedelta(minutes=5))
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
