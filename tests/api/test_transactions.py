import asyncio

import pymongo
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app.errors import DeadlineExceeded
from app.lifespan import Resources


async def test_a_transaction_out_of_time_leaves_nothing_locked(shop: Resources) -> None:
    categories = shop.database.database["categories"]
    await categories.insert_one({"_id": "cat_1", "slug": "one", "name": "before"})

    async def too_slow(session: AsyncClientSession) -> None:
        await categories.update_one({"_id": "cat_1"}, {"$set": {"name": "never"}}, session=session)
        await asyncio.sleep(0.6)
        await categories.find_one({"_id": "cat_1"}, session=session)

    with pytest.raises(DeadlineExceeded):
        await shop.database.run_in_transaction(too_slow, deadline=0.5)

    # MongoDB gives an abandoned transaction up after 5 s at the earliest.
    with pymongo.timeout(4):
        await categories.update_one({"_id": "cat_1"}, {"$set": {"description": "after"}})
    assert await categories.find_one({"_id": "cat_1"}, {"_id": 0}) == {
        "slug": "one",
        "name": "before",
        "description": "after",
    }
