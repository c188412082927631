import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pytest

from app import clock
from app.database import Database
from app.errors import NoPrimary
from app.events import Event
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent, OutboxState
from app.services import delivering
from app.services.delivering import Undeliverable, deliver
from tests.outbox.conftest import Recorded

PAID: Final = "order.paid"


class Ear:
    """A consumer that hears events, and fails at those that it is told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.fails: dict[str, Exception] = {}

    async def __call__(self, _: Database, event: OutboxEvent) -> None:
        if event.id in self.fails:
            raise self.fails[event.id]
        self.heard.append(event.id)


async def row(event_id: str) -> OutboxEvent:
    found = await OutboxEvent.find_one({"_id": event_id})
    assert found is not None
    return found


async def aged(event_id: str, **fields: object) -> None:
    """As if time had passed: what rests may be taken at once."""
    await OutboxEvent.get_pymongo_collection().update_one(
        {"_id": event_id}, {"$set": {"free_at": clock.now(), **fields}}
    )


async def test_everything_of_a_subject_is_heard_in_order_and_once(shop: Resources, record: Recorded) -> None:
    # given
    ear = Ear()
    mine = [(await record(Event(PAID, "ord_1")))[0] for _ in range(5)]
    await record(Event(PAID, "ord_2"))

    # when rung for several times, and by several workers at once
    await asyncio.gather(*(deliver(shop.database, ["ord_1"], consumers={PAID: ear}) for _ in range(3)))
    await deliver(shop.database, ["ord_1"], consumers={PAID: ear})

    # then
    assert ear.heard == mine
    assert {(await row(event_id)).state for event_id in mine} == {OutboxState.DELIVERED}
    assert [(await row(event_id)).attempts for event_id in mine] == [1] * 5


async def test_subjects_do_not_wait_for_each_other(shop: Resources, record: Recorded) -> None:
    # given a consumer that answers only when both are being worked on
    both = asyncio.Barrier(2)

    async def meet(_: Database, __: OutboxEvent) -> None:
        await both.wait()

    ids = await record(Event(PAID, "ord_1"), Event(PAID, "ord_2"))

    # when
    await deliver(shop.database, ["ord_1", "ord_2"], consumers={PAID: meet})

    # then
    assert [(await row(event_id)).state for event_id in ids] == [OutboxState.DELIVERED] * 2


@pytest.mark.parametrize("error", [NoPrimary("electing"), ConnectionResetError("away"), TimeoutError()])
async def test_what_is_away_is_waited_for_with_growing_rests(
    shop: Resources, record: Recorded, error: Exception
) -> None:
    # given
    ear = Ear()
    first, second, other = await record(Event(PAID, "ord_1"), Event(PAID, "ord_1"), Event(PAID, "ord_2"))
    ear.fails[first] = error
    rests, rung = [], set()

    # when
    for _ in range(10):
        await deliver(shop.database, ["ord_1", "ord_2"], consumers={PAID: ear})
        free_at = (await row(first)).free_at
        rests.append(round((free_at - clock.now()).total_seconds()))
        rung |= {(await row(event)).ring_at - free_at for event in (first, second)}
        await aged(first)

    # then it blocks its own subject alone, and is rung for when it has rested
    assert ear.heard == [other]
    assert rung == {timedelta(0)}
    assert rests[0] in {1, 2}
    assert rests == sorted(rests)
    assert rests[-1] in {299, 300}
    assert (await row(first)).state is OutboxState.WAITING

    # when it is back
    ear.fails.clear()
    await deliver(shop.database, ["ord_1"], consumers={PAID: ear})

    # then
    assert ear.heard == [other, first, second]


async def test_what_is_away_for_days_goes_on_resting_and_keeps_nobody_else_waiting(
    shop: Resources, record: Recorded
) -> None:
    # given: a mail server that has been away for four hours
    ear = Ear()
    waiting, first, second = await record(Event(PAID, "ord_1"), Event(PAID, "ord_2"), Event(PAID, "ord_2"))
    ear.fails[waiting] = ConnectionRefusedError()
    await aged(waiting, attempts=60)

    # when
    await deliver(shop.database, ["ord_1", "ord_2"], consumers={PAID: ear})

    # then
    assert ear.heard == [first, second]
    rest = (await row(waiting)).free_at - clock.now()
    assert timedelta(minutes=4, seconds=50) < rest <= timedelta(minutes=5)
    assert (await row(waiting)).error == "ConnectionRefusedError: "


async def test_a_mistake_after_a_long_outage_is_given_as_much_time(shop: Resources, record: Recorded) -> None:
    # given
    ear = Ear()
    [late] = await record(Event(PAID, "ord_1"))
    await aged(late, attempts=30)
    ear.fails[late] = KeyError("title")

    # when
    states = []
    for _ in range(8):
        await deliver(shop.database, ["ord_1"], consumers={PAID: ear})
        states.append((await row(late)).state)
        await aged(late)

    # then
    assert states == [OutboxState.WAITING] * 7 + [OutboxState.FAILED]


async def test_poison_is_given_up_for_all_to_see_and_what_follows_goes_on(shop: Resources, record: Recorded) -> None:
    # given
    ear = Ear()
    poison, second = await record(Event(PAID, "ord_1"), Event(PAID, "ord_1"))
    ear.fails[poison] = KeyError("title")

    # when
    for _ in range(8):
        await deliver(shop.database, ["ord_1"], consumers={PAID: ear})
        await aged(poison)
    await deliver(shop.database, ["ord_1"], consumers={PAID: ear})

    # then
    given_up = await row(poison)
    assert (given_up.state, given_up.attempts, given_up.error) == (OutboxState.FAILED, 8, "KeyError: 'title'")
    assert ear.heard == [second]


async def test_what_nobody_takes_is_given_up_at_once(shop: Resources, record: Recorded) -> None:
    ear = Ear()
    [refused] = await record(Event(PAID, "ord_1"))
    ear.fails[refused] = Undeliverable("no such mailbox")

    await deliver(shop.database, ["ord_1"], consumers={PAID: ear})

    assert ((await row(refused)).state, (await row(refused)).attempts) == (OutboxState.FAILED, 1)


async def test_what_was_away_for_three_days_is_given_up(shop: Resources, record: Recorded) -> None:
    ear = Ear()
    [late] = await record(Event(PAID, "ord_1"))
    ear.fails[late] = ConnectionRefusedError()
    await aged(late, at=clock.now() - timedelta(days=3, minutes=1))

    await deliver(shop.database, ["ord_1"], consumers={PAID: ear})

    assert (await row(late)).state is OutboxState.FAILED


async def test_what_it_took_to_take_an_event_is_taken_from_its_consumers_time(
    shop: Resources, record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: an election between reading what waits and having taken it, longer than a consumer may take
    intact, went_on = OutboxEvent.take_oldest, list[str]()
    monkeypatch.setattr(delivering, "PATIENCE", timedelta(seconds=0.2))

    async def slowly(subjects: Sequence[str], *, now: datetime) -> list[OutboxEvent]:
        taken = await intact(subjects, now=now)
        await asyncio.sleep(0.3)  # later does no harm
        return taken

    async def two_steps(_: Database, event: OutboxEvent) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        went_on.append(event.id)

    [event] = await record(Event(PAID, "ord_1"))
    monkeypatch.setattr(OutboxEvent, "take_oldest", slowly)

    # when
    await deliver(shop.database, ["ord_1"], consumers={PAID: two_steps})

    # then
    assert went_on == []
    assert (await row(event)).error == "TimeoutError: "


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed ten times in a second; who isn't renewed for four, as no machine stands still, is stopped."""
    monkeypatch.setattr(delivering, "PATIENCE", timedelta(seconds=4))
    monkeypatch.setattr(delivering, "_RENEWED_SECONDS", 0.1)


async def test_a_consumer_that_takes_long_keeps_its_lease(shop: Resources, record: Recorded, quick: None) -> None:
    # given
    [event] = await record(Event(PAID, "ord_1"))
    taken, heard = list[datetime](), list[str]()

    async def slowly(_: Database, event: OutboxEvent) -> None:
        taken.append((await row(event.id)).free_at)
        await asyncio.sleep(5)  # longer than it may without a renewal; later does no harm
        taken.append((await row(event.id)).free_at)
        heard.append(event.id)

    # when
    await deliver(shop.database, ["ord_1"], consumers={PAID: slowly})

    # then
    assert heard == [event]
    assert (await row(event)).state is OutboxState.DELIVERED
    assert taken[1] - taken[0] > timedelta(seconds=0.5)


async def test_a_consumer_is_stopped_in_the_end(
    shop: Resources, record: Recorded, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LONGEST_SECONDS", 1.0)
    [event] = await record(Event(PAID, "ord_1"))
    forever = asyncio.Event()

    async def never(_: Database, __: OutboxEvent) -> None:
        await forever.wait()

    await deliver(shop.database, ["ord_1"], consumers={PAID: never})

    assert (await row(event)).error == "TimeoutError: "


async def test_a_consumer_whose_lease_cannot_be_renewed_is_stopped(
    shop: Resources, record: Recorded, quick: None
) -> None:
    # given: an event that another worker has taken meanwhile
    [event] = await record(Event(PAID, "ord_1"))
    forever = asyncio.Event()

    async def overtaken(_: Database, event: OutboxEvent) -> None:
        await aged(event.id, lease="another")
        await forever.wait()

    # when
    await deliver(shop.database, ["ord_1"], consumers={PAID: overtaken})

    # then
    found = await row(event)
    assert (found.lease, found.error, found.state) == ("another", None, OutboxState.WAITING)


async def test_a_kind_that_this_worker_does_not_know_waits_for_one_that_does(shop: Resources, record: Recorded) -> None:
    [newer] = await record(Event(PAID, "ord_1"))

    await deliver(shop.database, ["ord_1"], consumers={})

    assert (await row(newer)).state is OutboxState.WAITING
