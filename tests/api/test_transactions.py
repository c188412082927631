import asyncio

import httpx
import pymongo
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from app import database
from app.errors import DeadlineExceeded
from app.idempotency import Attempt
from app.lifespan import Resources
from app.places import Places
from tests.api.test_problems import assert_problem
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, key, order


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


async def test_what_finds_no_place_is_refused_and_not_begun_but_what_was_begun_goes_on(
    shop: Resources, staff: httpx.AsyncClient, customer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    book, again = await a_stocked_book(staff), key()
    with monkeypatch.context() as busy:
        busy.setattr(shop.database, "_places", Places(0))
        busy.setattr(database, "_ELECTION_SECONDS", 0.05)

        # when
        refused = await order(customer, (book, 1), headers=again)
        went_on = await shop.till.commit(_nothing)

    # then
    assert_problem(refused, 503, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert went_on == "done"
    assert (await customer.get(f"{API}/orders")).json()["data"] == []
    assert (await order(customer, (book, 1), headers=again)).status_code == 201


async def _nothing(_: Attempt) -> str:
    return "done"
