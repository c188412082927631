"""Real mongods that belong to one test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from stack.processes import mongod_binary
from tests.factories.ports import free_port

Client = AsyncMongoClient[dict[str, Any]]

_OPLOG_MIB = 1
_JUNK = "x" * 100_000


@dataclass(frozen=True)
class Member:
    """One running mongod, and a client of it alone."""

    address: str
    client: Client
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """End it at once, with SIGKILL."""
        await self.client.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def serves_as(self, role: str) -> None:
        """Wait until it says so of itself: `isWritablePrimary` or `secondary`."""
        async with asyncio.timeout(60):
            while not (await self.client.admin.command("hello"))[role]:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def own_mongod(folder: Path, *options: str) -> AsyncIterator[Member]:
    """Run a mongod of a replica set that is called "own", and that somebody has to initiate."""
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *(mongod_binary(), "--port", address.rpartition(":")[2], "--bind_ip", "127.0.0.1", "--dbpath", str(folder)),
        *("--nounixsocket", "--replSet", "own", "--wiredTigerCacheSizeGB", "0.25", *options),
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with Client(f"mongodb://{address}/?directConnection=true") as client:
        member = Member(address, client, process)
        try:
            await client.admin.command("ping")
            yield member
        finally:
            await member.kill()


@asynccontextmanager
async def forgetful_mongod(folder: Path) -> AsyncIterator[Client]:
    """Run a set of one whose oplog holds a mebibyte or little more; yield a client of it."""
    # Of its oplog nothing goes that isn't on the disk in a checkpoint; otherwise there is one a minute.
    async with own_mongod(folder, "--oplogSize", str(_OPLOG_MIB), "--syncdelay", "1") as member:
        members = [{"_id": 0, "host": member.address}]
        await member.client.admin.command("replSetInitiate", {"_id": "own", "members": members})
        await member.serves_as("isWritablePrimary")
        yield member.client


async def forget_history(client: Client) -> None:
    """Write until the oplog holds nothing any more of what it holds now."""
    oplog, latest = client.local["oplog.rs"], [("$natural", -1)]
    last = await oplog.find_one({}, {"ts": 1}, sort=latest)
    assert last is not None
    async with asyncio.timeout(60):
        while await oplog.find_one({"ts": last["ts"]}, {"_id": 1}) is not None:
            await client["junk"]["junk"].insert_one({"junk": _JUNK})
