"""Makes another member primary with hardly a gap for writers: what to do before a primary is stopped on purpose.

`replSetStepDown` alone elects the next primary within milliseconds, and yet no write has a majority for about a second:
the third member goes on waiting for news from the old primary for half an election timeout, and the old one takes a
second to look for a source. So the third member is made to follow the successor first.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError

from stack.errors import StackError
from stack.replica_set import Client, ReplicaSet

_FOLLOW_SECONDS = 15.0
_ASK_AGAIN_SECONDS = 1.6
_PAUSE_SECONDS = 0.3
_STEADY_SECONDS = 0.3


async def hand_over(replica_set: ReplicaSet, *, when_ready: Callable[[], None] = lambda: None) -> None:
    """Make a secondary primary; the old one follows it.

    `when_ready` is called when everything is prepared, right before the successor stands for election.

    Raises:
        StackError: there is no primary, or the successor isn't elected.
    """
    old = await replica_set.primary_port()
    successor, third = (port for port in replica_set.ports if port != old)
    try:
        async with replica_set.client_of(old, as_root=True) as client:
            before = (await client.admin.command("replSetGetConfig"))["config"]
            try:
                await _reconfigure(client, {**before, "settings": {**before["settings"], "chainingAllowed": True}})
                await _follow(replica_set, third, successor)
                when_ready()
                await _stand_for_election(replica_set, successor)
            finally:
                await _restore(replica_set, before)
    except PyMongoError as error:
        raise StackError(f"the primary doesn't hand over: {error}") from error


async def _stand_for_election(replica_set: ReplicaSet, successor: int) -> None:
    # It fetches what it hasn't got yet before it takes writes, and the third member, never ahead of it, votes for it.
    async with replica_set.client_of(successor, as_root=True) as client:
        await client.admin.command("replSetStepUp", 1)


async def _reconfigure(client: Client, config: dict[str, Any]) -> None:
    now = (await client.admin.command("replSetGetConfig"))["config"]
    newer = {**config, "version": now["version"] + 1, "term": now["term"]}
    await client.admin.command("replSetReconfig", newer)


async def _follow(replica_set: ReplicaSet, follower: int, leader: int) -> None:
    # It refuses a source that isn't ahead of it at that moment, and then takes none for a second; asked again then,
    # it finds the leader ahead. Where it never does, nobody writes, and nobody minds a longer gap.
    deadline = time.monotonic() + _FOLLOW_SECONDS
    address = f"127.0.0.1:{leader}"
    asked, following_since = -math.inf, math.inf
    async with replica_set.client_of(follower, as_root=True) as client:
        while time.monotonic() < min(deadline, following_since + _STEADY_SECONDS):
            source = (await client.admin.command("replSetGetStatus"))["syncSourceHost"]
            now = time.monotonic()
            following_since = min(following_since, now) if source == address else math.inf
            if source != address and now - asked > (_PAUSE_SECONDS if not source else _ASK_AGAIN_SECONDS):
                await client.admin.command("replSetSyncFrom", address)
                asked = now
            await asyncio.sleep(0.02)


async def _restore(replica_set: ReplicaSet, config: dict[str, Any]) -> None:
    deadline = time.monotonic() + _FOLLOW_SECONDS
    while True:
        try:
            async with replica_set.client_of(await replica_set.primary_port(), as_root=True) as client:
                await _reconfigure(client, config)
        except (PyMongoError, StackError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
