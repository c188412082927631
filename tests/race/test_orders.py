import asyncio
from functools import partial
from pathlib import Path

import pytest

from app.settings import Settings
from tests.race.buyers import (
    Race,
    cancelled_twice,
    cancelled_while_paid,
    edited_cart,
    last_copies,
    lost,
    open_market,
    opposite_orders,
    same_key,
)
from tests.race.farm import running_farm

LONG_ENOUGH = 120.0
"""Seconds for the rounds of a race, and for catching a build that lacks a guard; most are caught at once."""

ROUNDS = 3

RACES: list[tuple[Race, str, str]] = [
    (last_copies, "no-stock-guard", r"[2-9]\d* of 1 held"),
    (partial(last_copies, buyers=100, copies=10), "no-stock-guard", r"[1-9]\d+ of 10 held"),
    (opposite_orders, "no-transaction", "but orders say"),
    (same_key, "no-key", r"^\d+ orders"),
    (edited_cart, "old-cart", "ordered and left are"),
    (cancelled_twice, "old-order", "but orders say"),
    (cancelled_while_paid, "old-order", "were kept|but orders say"),
]
"""Each race, with what must be taken away for it to be lost, and what is said then: not any sentence will do."""


async def test_nobody_loses_a_race(settings: Settings, tmp_path: Path) -> None:
    async with running_farm(settings, tmp_path, environment={}) as farm, open_market(settings, farm) as market:
        for race, _, _ in RACES:
            async with asyncio.timeout(LONG_ENOUGH):
                for _ in range(ROUNDS):
                    assert await race(market) == [], race
        async with asyncio.timeout(LONG_ENOUGH):
            assert await last_copies(market, buyers=1000, copies=10) == []


@pytest.mark.parametrize("sabotage", sorted({sabotage for _, sabotage, _ in RACES}))
async def test_each_guard_is_needed(settings: Settings, tmp_path: Path, sabotage: str) -> None:
    races = [(race, said) for race, broken_by, said in RACES if broken_by == sabotage]
    async with (
        running_farm(settings, tmp_path, sabotage=sabotage, environment={}) as farm,
        open_market(settings, farm) as market,
    ):
        for race, said in races:
            async with asyncio.timeout(LONG_ENOUGH):
                found = await lost(partial(race, market), said)
            print(f"without its guard: {found}")
