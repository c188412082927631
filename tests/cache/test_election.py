"""What a new primary shows before it has committed anything itself (SERVER-53813), on a real replica set of three."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pymongo
import pytest_asyncio
from pydantic import SecretStr
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from app.database import Database
from app.settings import Settings
from tests.factories.own_mongod import Member, own_mongod

PARAMETERS = (
    "enableTestCommands=1",
    # Members ask for each piece of history anew: a fail point stops questions, and not what answers one already.
    "oplogFetcherUsesExhaust=false",
    # Nothing is written but by the test.
    "writePeriodicNoops=false",
)
OPTIONS = ("--oplogSize", "50", *(word for one in PARAMETERS for word in ("--setParameter", one)))
OLD, NEW = {"_id": "book", "price": 1}, {"_id": "book", "price": 2}


async def _a_set(members: list[Member]) -> None:
    addresses = [{"_id": number, "host": member.address} for number, member in enumerate(members)]
    settings = {"heartbeatIntervalMillis": 2000, "electionTimeoutMillis": 60_000, "chainingAllowed": False}
    first = members[0].client.admin
    await first.command("replSetInitiate", {"_id": "own", "members": addresses, "settings": settings})
    await members[0].serves_as("secondary")
    async with asyncio.timeout(60):
        while True:
            try:
                await first.command("replSetStepUp")
                break
            except OperationFailure:  # the others haven't heard of the set yet
                await asyncio.sleep(0.1)
    await members[0].serves_as("isWritablePrimary")
    await asyncio.gather(*(member.serves_as("secondary") for member in members[1:]))


async def _both_wait_for_news(primary: Member, follower: Member) -> None:
    """Wait until the follower has heard that all is committed, and it and the third ask the primary for more."""
    asking = {"op": "getmore", "ns": "local.oplog.rs", "active": True}
    async with asyncio.timeout(60):
        while True:
            optimes = [(await one.client.admin.command("replSetGetStatus"))["optimes"] for one in (primary, follower)]
            known = optimes[1]["lastCommittedOpTime"] == optimes[0]["appliedOpTime"]
            operations = (await primary.client.admin.command({"currentOp": 1, **asking}))["inprog"]
            if known and len(operations) == 2:
                return
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def successor_and_follower(tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[Member, Member]]:
    """A new primary that has what was acknowledged, and doesn't know that it was; and who keeps it from finding out.

    The follower has voted for it, and fetches nothing until its fail point is switched off.
    """
    async with AsyncExitStack() as running:
        members = []
        for name in ("one", "two", "three"):
            (tmp_path / name).mkdir()
            members.append(await running.enter_async_context(own_mongod(tmp_path / name, *OPTIONS)))
        await _a_set(members)
        old, new, follower = members
        everywhere = old.client[settings.mongo_database].get_collection("books", write_concern=WriteConcern(3))
        await everywhere.insert_one(OLD)
        await _both_wait_for_news(old, new)
        await follower.client.admin.command({"configureFailPoint": "stopReplProducer", "mode": "alwaysOn"})
        # The new one gets what it has asked for. Its next question, by which it would hear what a majority has, is
        # answered too late.
        unanswered = {"failCommands": ["getMore", "replSetHeartbeat"], "blockConnection": True, "blockTimeMS": 600_000}
        await old.client.admin.command(
            {
                "configureFailPoint": "failCommand",
                "mode": "alwaysOn",
                "data": unanswered | {"failInternalCommands": True},
            }
        )
        acknowledged = old.client[settings.mongo_database].get_collection(
            "books", write_concern=WriteConcern("majority")
        )
        await acknowledged.update_one({"_id": "book"}, {"$set": {"price": 2}})
        await old.kill()
        await new.client.admin.command("replSetStepUp")
        await new.serves_as("isWritablePrimary")
        yield new, follower


async def test_a_fresh_read_right_after_an_election_shows_what_was_acknowledged(
    successor_and_follower: tuple[Member, Member], settings: Settings
) -> None:
    # given
    new, follower = successor_and_follower
    url = SecretStr(f"mongodb://{new.address},{follower.address}/?replicaSet=own")
    database = Database(settings.model_copy(update={"mongo_url": url}))
    async with database.client:
        books = database.database["books"]

        # when
        with pymongo.timeout(60):  # for a slow machine; a request waits for 5 s
            reading = asyncio.create_task(database.fresh(lambda: books.find_one({"_id": "book"})))

        # then a read of what a majority has, which is all that a build without that step does, shows what was replaced
        assert await books.find_one({"_id": "book"}) == OLD
        assert not reading.done()

        # when the new primary has committed something itself
        await follower.client.admin.command({"configureFailPoint": "stopReplProducer", "mode": "off"})

        # then
        assert await reading == NEW
