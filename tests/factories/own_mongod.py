"""A real mongod that belongs to one test: a replica set of one, which remembers hardly anything of what it did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from stack.processes import mongod_binary
from tests.factories.ports import free_port

_OPLOG_MIB = 1
_JUNK = "x" * 100_000


@asynccontextmanager
async def forgetful_mongod(folder: Path) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """Run one whose oplog holds a mebibyte or little more; yield a client of it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(mongod_binary(), "--port", str(port), "--bind_ip", "127.0.0.1", "--dbpath", str(folder), "--nounixsocket"),
        *("--replSet", "own", "--oplogSize", str(_OPLOG_MIB), "--wiredTigerCacheSizeGB", "0.25"),
        # Of its oplog nothing goes that isn't on the disk in a checkpoint; otherwise there is one a minute.
        *("--syncdelay", "1"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with AsyncMongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            await client.admin.command("replSetInitiate", {"_id": "own", "members": members})
            async with asyncio.timeout(60):
                while not (await client.admin.command("hello"))["isWritablePrimary"]:
                    await asyncio.sleep(0.05)
            yield client
    finally:
        process.kill()
        await process.wait()


async def forget_history(client: AsyncMongoClient[dict[str, Any]]) -> None:
    """Write until the oplog holds nothing any more of what it holds now."""
    oplog, latest = client.local["oplog.rs"], [("$natural", -1)]
    last = await oplog.find_one({}, {"ts": 1}, sort=latest)
    assert last is not None
    async with asyncio.timeout(60):
        while await oplog.find_one({"ts": last["ts"]}, {"_id": 1}) is not None:
            await client["junk"]["junk"].insert_one({"junk": _JUNK})
