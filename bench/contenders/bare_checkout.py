"""The writes of one order's transaction in a bare PyMongo loop: no HTTP, no checks, no gateway.

Reads a job as JSON from its input; writes how long each order took that was done in the time that counts, in ms, to its
output.
"""

import asyncio
import os
import random
import sys
import time
from functools import partial
from typing import Any
from uuid import uuid4

import pymongo
from bson import json_util
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern


async def _buy(
    database: AsyncDatabase[dict[str, Any]], rows: dict[str, dict[str, Any]], book: str, session: AsyncClientSession
) -> None:
    mark = uuid4().hex
    changed = {"orders": {"number": mark}, "stock_movements": {"book_id": book}}
    for name in ("orders", "payments", "outbox_events"):
        await database[name].insert_one({**rows[name], "_id": mark, **changed.get(name, {})}, session=session)
    enough = {"$expr": {"$gte": [{"$subtract": ["$on_hand", "$held"]}, 1]}}
    await database["inventory"].find_one_and_update({"_id": book, **enough}, {"$inc": {"held": 1}}, session=session)
    for name in ("stock_movements", "idempotency_keys"):
        await database[name].insert_one({**rows[name], "_id": mark, **changed.get(name, {})}, session=session)


async def _client(client: AsyncMongoClient[dict[str, Any]], job: dict[str, Any]) -> list[float]:
    took: list[float] = []
    database = client[os.environ["BOOKSTORE_MONGO_DATABASE"]]
    while (started := time.time()) < job["until"]:
        book = random.choice(job["books"])
        async with client.start_session() as session:
            await session.with_transaction(
                partial(_buy, database, job["rows"], book),
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority", j=True),
            )
        if job["count_from"] <= (done := time.time()) <= job["until"]:
            took.append((done - started) * 1000)
    return took


async def _measure(job: dict[str, Any]) -> list[float]:
    async with AsyncMongoClient[dict[str, Any]](os.environ["BOOKSTORE_MONGO_URL"], maxPoolSize=200) as client:
        with pymongo.timeout(10):
            await client.admin.command("ping")
        done = await asyncio.gather(*(_client(client, job) for _ in range(job["clients"])))
    return [one for took in done for one in took]


if __name__ == "__main__":
    print(json_util.dumps(asyncio.run(_measure(json_util.loads(sys.stdin.read())))))
