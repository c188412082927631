"""What the audit says of what is kept for a while only: delivered events, keys' answers, the mail sink's drafts."""

import shutil
from datetime import timedelta

import pytest

from app import clock
from app.ids import new_id
from app.models.idempotency_key import KEPT_FOR as ANSWERS_KEPT_FOR
from app.models.outbox_event import KEPT_FOR
from stack.audit.auditing import audit
from stack.mailbox import kept_in
from tests.failover.world import PATIENCE, World, location_of_order, names


@pytest.mark.parametrize(("older_by", "fault"), [(timedelta(minutes=-5), {"events"}), (timedelta(), set[str]())])
async def test_a_confirmation_is_missed_for_as_long_as_it_is_kept(
    world: World, older_by: timedelta, fault: set[str]
) -> None:
    # given: an order that was paid about as long ago as a delivered event is kept, and its event is gone
    order = await world.database.orders.find_one({"_id": world.order})
    event = await world.database.outbox_events.find_one({"kind": "order.paid", "subject": world.order})
    assert order is not None
    assert event is not None
    paid_at = {"$set": {"history.$[one].at": clock.now() - KEPT_FOR - older_by}}
    await world.database.orders.update_one({"_id": world.order}, paid_at, array_filters=[{"one.kind": "paid"}])
    await world.database.outbox_events.delete_one({"_id": event["_id"]})

    # when
    try:
        verdict = await audit(world.system, patience=0)
    finally:
        await world.database.outbox_events.insert_one(event)
        await world.database.orders.replace_one({"_id": world.order}, order)

    # then
    assert names(verdict) == {("LETTERS", world.order, one) for one in fault}


async def test_a_letter_that_the_sink_has_not_taken_is_none(world: World) -> None:
    # given: copies of all, as of letters that it is writing, or died over
    drafts = {file: file.with_name(f".{file.name}") for file in kept_in(world.system.profile.mails)}
    for file, draft in drafts.items():
        shutil.copy(file, draft)

    # when
    try:
        verdict = await audit(world.system, patience=PATIENCE)
    finally:
        for draft in drafts.values():
            draft.unlink()

    # then
    assert drafts
    assert verdict.findings == []


async def test_an_order_that_two_keys_were_answered_with_is_named(world: World) -> None:
    # given
    keys = world.database.idempotency_keys
    answer = await keys.find_one({"headers.Location": location_of_order(world)})
    assert answer is not None
    await keys.insert_one(answer | {"_id": "another key"})

    # when
    try:
        verdict = await audit(world.system, patience=0)
    finally:
        await keys.delete_one({"_id": "another key"})

    # then
    assert names(verdict) == {("ORDERS", world.order, "answers")}


async def test_an_order_that_was_made_twice_under_one_key_is_named(world: World) -> None:
    # given: the twin of an order, of which its key's answer says nothing
    order = await world.database.orders.find_one({"_id": world.order})
    assert order is not None
    twin = order | {"_id": new_id("ord"), "number": new_id("n")}
    await world.database.orders.insert_one(twin)

    # when
    try:
        verdict = await audit(world.system, patience=0)
        aged = {"$set": {"created_at": clock.now() - ANSWERS_KEPT_FOR}}
        await world.database.orders.update_one({"_id": twin["_id"]}, aged)
        later = await audit(world.system, patience=0)
    finally:
        await world.database.orders.delete_one({"_id": twin["_id"]})

    # then: for as long as answers are kept
    doubled = ("ORDERS", twin["_id"], "unanswered")
    assert (doubled in names(verdict), doubled in names(later)) == (True, False)
