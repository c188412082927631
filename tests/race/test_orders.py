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
    open_market,
    opposite_orders,
    same_key,
)
from tests.race.farm import running_farm

LONG_ENOUGH = 120.0
"""Seconds for the rounds of a race, and for catching a build that lacks a guard; most are caught at once."""

ROUNDS = 3

RACES: list[tuple[Race, str]] = [
    (last_copies, "no-stock-guard"),
    (partial(last_copies, buyers=100, copies=10), "no-stock-guard"),
    (opposite_orders, "no-transaction"),
    (same_key, "no-key"),
    (edited_cart, "old-cart"),
    (cancelled_twice, "old-order"),
    (cancelled_while_paid, "old-order"),
]
"""Each race, with what must be taken away for it to be lost."""


async def test_nobody_loses_a_race(settings: Settings, tmp_path: Path) -> None:
    async with running_farm(settings, tmp_path, environment={}) as farm, open_market(settings, farm) as market:
        for race, _ in RACES:
            async with asyncio.timeout(LONG_ENOUGH):
                for _ in range(ROUNDS):
                    assert await race(market) == [], race


@pytest.mark.parametrize("sabotage", sorted({sabotage for _, sabotage in RACES}))
async def test_each_guard_is_needed(settings: Settings, tmp_path: Path, sabotage: str) -> None:
    races = [race for race, broken_by in RACES if broken_by == sabotage]
    async with (
        running_farm(settings, tmp_path, sabotage=sabotage, environment={}) as farm,
        open_market(settings, farm) as market,
    ):
        for race in races:
            async with asyncio.timeout(LONG_ENOUGH):
                while not (found := await race(market)):
                    pass
            print(f"without its guard: {found}")
