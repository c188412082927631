"""Makes another member primary with hardly a gap for writers: what to do before a primary is stopped on purpose.

`replSetStepDown` alone elects the next primary within milliseconds, and yet no write has a majority for about a second:
the third member goes on waiting for news from the old primary for half an election timeout, and the old one takes a
second to look for a source. So the third member is made to follow the successor first.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError

from stack.errors import StackError
from stack.replica_set import Client, ReplicaSet

_FOLLOW_SECONDS = 10.0
_STEP_DOWN_SECONDS = 30
_PREFERRED = 2


async def hand_over(replica_set: ReplicaSet, *, when_ready: Callable[[], None] = lambda: None) -> None:
    """Make a secondary primary; the old one doesn't stand again for half a minute.

    `when_ready` is called when everything is prepared, right before the primary steps down.

    Raises:
        StackError: there is no primary, or a secondary doesn't follow.
    """
    old = await replica_set.primary_port()
    successor, third = (port for port in replica_set.ports if port != old)
    try:
        async with replica_set.client_of(old, as_root=True) as client:
            before = await _prefer(client, successor)
            try:
                await _follow(replica_set, third, successor)
                when_ready()
                await client.admin.command("replSetStepDown", _STEP_DOWN_SECONDS, secondaryCatchUpPeriodSecs=10)
            finally:
                await _restore(replica_set, before)
    except PyMongoError as error:
        raise StackError(f"the primary doesn't step down: {error}") from error


async def _prefer(client: Client, successor: int) -> dict[str, Any]:
    # A primary that steps down hands over to the member of the highest priority. And only with chaining may a
    # secondary follow another one.
    config: dict[str, Any] = (await client.admin.command("replSetGetConfig"))["config"]
    members = [
        {**member, "priority": _PREFERRED if member["host"].endswith(f":{successor}") else member["priority"]}
        for member in config["members"]
    ]
    settings = {**config["settings"], "chainingAllowed": True}
    await client.admin.command(
        "replSetReconfig", {**config, "members": members, "settings": settings, "version": config["version"] + 1}
    )
    return config


async def _follow(replica_set: ReplicaSet, follower: int, leader: int) -> None:
    deadline = time.monotonic() + _FOLLOW_SECONDS
    address = f"127.0.0.1:{leader}"
    async with replica_set.client_of(follower, as_root=True) as client:
        await client.admin.command("replSetSyncFrom", address)
        while (await client.admin.command("replSetGetStatus"))["syncSourceHost"] != address:
            if time.monotonic() > deadline:
                raise StackError(f"the member at port {follower} doesn't follow the one at port {leader}")
            await asyncio.sleep(0.02)


async def _restore(replica_set: ReplicaSet, config: dict[str, Any]) -> None:
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while True:
        try:
            async with replica_set.client_of(await replica_set.primary_port(), as_root=True) as client:
                now = (await client.admin.command("replSetGetConfig"))["config"]
                restored = {**config, "version": now["version"] + 1, "term": now["term"]}
                await client.admin.command("replSetReconfig", restored)
        except (PyMongoError, StackError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
