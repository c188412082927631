"""What webhooks, workers and the reconciler ask again and again is found by an index, however many there are."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app import clock
from app.lifespan import Resources

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def stages(plan: dict[str, Any]) -> set[str]:
    inner = [plan[key] for key in ("inputStage", "queryPlan") if key in plan]
    return {plan.get("stage", "")}.union(*(stages(one) for one in inner))


@pytest.mark.parametrize(
    ("collection", "query"),
    [
        ("payments", {"intent_id": "pi_1"}),
        ("payments", {"intent_id": {"$in": ["pi_1", "pi_2"]}}),
        ("payments", {"ask_at": {"$gt": LONG_AGO, "$lte": clock.now()}}),
        ("refunds", {"gateway_id": "re_1"}),
        ("refunds", {"claim": "0a1b"}),
        ("refunds", {"payment_id": "pay_1", "status": "pending"}),
        ("refunds", {"status": "pending", "free_at": {"$lte": clock.now()}}),
        ("orders", {"status": "pending_payment", "expires_at": {"$lte": clock.now()}}),
        ("outbox_events", {"state": "waiting", "ring_at": {"$lte": clock.now()}}),
        ("outbox_events", {"state": "waiting", "subject": "ord_1"}),
        ("carts", {"user_id": "usr_1"}),
        ("inventory", {"held": {"$gt": 0}}),
    ],
    ids=str,
)
async def test_it_is_found_by_an_index(shop: Resources, collection: str, query: dict[str, Any]) -> None:
    # when
    told = await shop.database.database.command("explain", {"find": collection, "filter": query})

    # then
    found = stages(told["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in found
    assert "COLLSCAN" not in found
