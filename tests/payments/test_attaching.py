"""Intents that are made at the same moment are noted in one write, each for its own payment."""

import asyncio

from app import clock
from app.ids import ORDER, USER, OrderId, UserId, new_id, payment_id_of
from app.lifespan import Resources
from app.models.payment import MadeIntent, Payment
from app.payments.attaching import Attachments


async def _a_payment() -> Payment:
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
    return await payment.open()


def _made_for(payment: Payment) -> MadeIntent:
    return MadeIntent(payment.id, f"pi_{payment.id}", f"pi_{payment.id}_secret", at=clock.now())


async def _intents(payments: list[Payment]) -> list[str | None]:
    found = await Payment.of_ids([one.id for one in payments])
    return [found[one.id].intent_id for one in payments]


async def test_each_payment_gets_its_own_intent(shop: Resources) -> None:
    attachments = Attachments(shop.database)
    payments = [await _a_payment() for _ in range(5)]
    made = [_made_for(one) for one in payments]

    attached = await asyncio.gather(*(attachments.attach(one) for one in made))

    assert attached == [True] * 5
    assert await _intents(payments) == [one.intent_id for one in made]


async def test_where_one_has_an_intent_already_the_first_counts_and_all_are_to_look_again(shop: Resources) -> None:
    attachments = Attachments(shop.database)
    early, late = await _a_payment(), await _a_payment()
    first = MadeIntent(early.id, "pi_first", "pi_first_secret", at=clock.now())
    assert await attachments.attach(first)

    attached = await asyncio.gather(*(attachments.attach(_made_for(one)) for one in (early, late)))

    assert attached == [False, False]
    assert await _intents([early, late]) == ["pi_first", _made_for(late).intent_id]
