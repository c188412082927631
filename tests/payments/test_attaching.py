"""Intents that are made at the same moment are noted in one write, each for its own payment."""

import asyncio
from collections.abc import Sequence

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.ids import ORDER, USER, OrderId, UserId, new_id, payment_id_of
from app.lifespan import Resources
from app.models.payment import MadeIntent, Payment
from app.payments import attaching
from app.payments.attaching import Attachments


async def _a_payment(shop: Resources) -> Payment:
    moment, order_id = clock.now(), OrderId(new_id(ORDER))
    payment = Payment(
        id=payment_id_of(order_id),
        order_id=order_id,
        user_id=UserId(new_id(USER)),
        amount=1498,
        currency="USD",
        ask_at=None,
        created_at=moment,
        updated_at=moment,
    )
    await shop.database.run_in_transaction(payment.open)
    return payment


def _made_for(payment: Payment) -> MadeIntent:
    return MadeIntent(payment.id, f"pi_{payment.id}", f"pi_{payment.id}_secret", at=clock.now())


async def _intents(payments: list[Payment]) -> list[str | None]:
    found = await Payment.of_ids([one.id for one in payments])
    return [found[one.id].intent_id for one in payments]


async def test_each_payment_gets_its_own_intent(shop: Resources) -> None:
    attachments = Attachments(shop.database)
    payments = [await _a_payment(shop) for _ in range(5)]
    made = [_made_for(one) for one in payments]

    attached = await asyncio.gather(*(attachments.attach(one) for one in made))

    assert attached == [True] * 5
    assert await _intents(payments) == [one.intent_id for one in made]


async def test_where_one_has_an_intent_already_the_first_counts_and_all_are_to_look_again(shop: Resources) -> None:
    attachments = Attachments(shop.database)
    early, late = await _a_payment(shop), await _a_payment(shop)
    first = MadeIntent(early.id, "pi_first", "pi_first_secret", at=clock.now())
    assert await attachments.attach(first)

    attached = await asyncio.gather(*(attachments.attach(_made_for(one)) for one in (early, late)))

    assert attached == [False, False]
    assert await _intents([early, late]) == ["pi_first", _made_for(late).intent_id]


@pytest.mark.parametrize(("beside_others", "writes"), [(False, [1, 1]), (True, [2])])
async def test_company_is_waited_for_where_somebody_is_in_a_transaction(
    shop: Resources, monkeypatch: pytest.MonkeyPatch, *, beside_others: bool, writes: list[int]
) -> None:
    # given: pauses so long that both come within one
    for name in ("_PAUSE_SECONDS", "_LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(attaching, name, 1.0)
    begun, ends, seen = asyncio.Event(), asyncio.Event(), list[int]()
    intact = Payment.attach_intents

    async def attach_intents(intents: Sequence[MadeIntent]) -> bool:
        seen.append(len(intents))
        return await intact(intents)

    async def other(_: AsyncClientSession) -> None:
        begun.set()
        await ends.wait()

    monkeypatch.setattr(Payment, "attach_intents", attach_intents)
    attachments = Attachments(shop.database)
    made = [_made_for(await _a_payment(shop)) for _ in range(2)]
    async with asyncio.TaskGroup() as tasks:
        if beside_others:
            tasks.create_task(shop.database.run_in_transaction(other))
            await begun.wait()

        # when: one comes, and when the event loop has gone round, another
        first = tasks.create_task(attachments.attach(made[0]))
        for _ in range(3):
            await asyncio.sleep(0)
        second = tasks.create_task(attachments.attach(made[1]))

        # then
        assert [await first, await second] == [True, True]
        ends.set()
    assert seen == writes
