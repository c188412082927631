import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from app.payments.stripe_gateway import StripeGateway
from app.settings import Settings
from tests.payments.weather import weather_over
from tests.race.buyers import lost, open_market
from tests.race.farm import running_farm
from tests.race.payers import Payers

LONG_ENOUGH = 120.0
"""Seconds for the rounds of a race, and for catching a build that lacks a guard; most are caught at once."""

ROUNDS = 3

RACES = {
    "no-capture-guard": (Payers.heard_from_everywhere, r"^entered \[\d+, |^[2-9]\d* times paid"),
    "no-inbox": (Payers.one_webhook_many_times, r"\d+ effects"),
    "no-first-intent": (Payers.many_begin_to_pay, "payments that can be paid"),
    "no-ceiling": (Payers.refunds_at_once, r"^heard \{201: [2-8]"),
    "no-refund-lease": (Payers.one_refund_many_times, r"the gateway gave \[100, 100"),
}
"""Each race, by what must be taken away for it to be lost, and what is said then: not any sentence will do."""


@asynccontextmanager
async def payers_of(settings: Settings, folder: Path, *, sabotage: str = "") -> AsyncIterator[Payers]:
    """Run a farm whose gateway keeps no idempotency keys: what the shop guards, it guards by itself."""
    async with weather_over(settings.stripe_api_base) as weather:
        weather.keeps_keys = False
        environment = {"BOOKSTORE_STRIPE_API_BASE": weather.url}
        gateway = StripeGateway(settings)
        async with (
            running_farm(settings, folder, sabotage=sabotage, environment=environment) as farm,
            open_market(settings, farm) as market,
        ):
            yield Payers(market, gateway, settings)
        await gateway.aclose()


async def test_nobody_loses_a_race_for_money(settings: Settings, tmp_path: Path) -> None:
    async with payers_of(settings, tmp_path) as payers:
        for race, _ in RACES.values():
            async with asyncio.timeout(LONG_ENOUGH):
                for _ in range(ROUNDS):
                    assert await race(payers) == [], race


@pytest.mark.parametrize("sabotage", list(RACES))
async def test_each_guard_of_money_is_needed(settings: Settings, tmp_path: Path, sabotage: str) -> None:
    race, said = RACES[sabotage]
    async with payers_of(settings, tmp_path, sabotage=sabotage) as payers, asyncio.timeout(LONG_ENOUGH):
        print(f"without its guard: {await lost(partial(race, payers), said)}")
