"""A verdict names what is planted under it: an acknowledged write that is gone, one that is doubled, a stale read."""

import asyncio
from typing import Any

from pymongo import AsyncMongoClient

from stack.demo.report import judge
from stack.demo.scenario import Blow, Plan, Scenario
from stack.load.run import Course, run_under_load
from stack.load.shop import FIRST_PRICE
from stack.running import Stack


async def test_the_verdict_names_what_was_planted(system: Stack, rate: float) -> None:
    # given
    scenario = Scenario(Plan(blow=Blow.KILL, seconds=60, rate=rate))

    async def plant(course: Course) -> None:
        shop = course.traffic.shop
        async with (
            asyncio.timeout(60),
            AsyncMongoClient[dict[str, Any]](system.environment["BOOKSTORE_MONGO_URL"]) as mongo,
        ):
            books = mongo["bookstore"]["books"]
            while len(shop.created) < 2 or shop.priced[0].acknowledged == FIRST_PRICE:
                await asyncio.sleep(0.05)
            (gone, _), (twice, _) = shop.created[:2]
            row = await books.find_one_and_delete({"_id": twice})
            assert row is not None
            await books.insert_many([row, row | {"_id": f"{twice}X", "isbn13": None, "isbn10": None}])
            await books.delete_one({"_id": gone})
            while not course.traffic.history.stale:
                price = {"$set": {"price.amount": FIRST_PRICE}}
                await books.update_one({"_id": shop.priced[0].id}, price)
                await asyncio.sleep(0.1)

    # when
    run = await run_under_load(system, plant, rate=rate)
    report = judge(run, scenario)

    # then
    broken = {check.name for check in report.checks if not check.holds}
    assert {"acknowledged writes lost", "writes doubled", "stale reads"} <= broken
    assert not report.holds
    assert report.as_json()["verdict"]["holds"] is False
    assert any(detail.startswith("lost: Failover proof") for detail in report.details)
    assert any(detail.startswith("doubled: Failover proof") for detail in report.details)
    assert any(detail.startswith("stale at ") for detail in report.details)
