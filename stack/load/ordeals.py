"""What is broken under load besides the primary (that is the demo's part), and healed again."""

import asyncio
from contextlib import ExitStack

import redis.asyncio

from stack.faults import Fault
from stack.load.run import Course, Script
from stack.partition import Server, cut_off

CACHE = "redis-cache"
FAULT_AT = 4.0
"""Seconds of undisturbed load, to compare with."""

HEALED = "healed"
"""What happened when the last thing that stood in the way was mended."""

_BROKEN_SECONDS = 8.0
_AFTERWARDS_SECONDS = 4.0
_ELECTION_SECONDS = 4.0


def lose(target: str, blow: Fault) -> Script:
    """Return a script that kills or freezes a process for 8 s, and brings it back."""
    cure = {Fault.KILL: Fault.RESTART, Fault.STOP: Fault.CONT}[blow]

    async def script(course: Course) -> None:
        await course.until(FAULT_AT)
        name = await course.fault(blow, target)
        try:
            await asyncio.sleep(_BROKEN_SECONDS)
        finally:
            await course.fault(cure, name)
        await asyncio.sleep(_AFTERWARDS_SECONDS)

    return script


async def restart_the_primary(course: Course) -> None:
    """Restart the primary on purpose: it hands over first."""
    await course.until(FAULT_AT)
    await course.fault(Fault.RESTART, "primary")
    await asyncio.sleep(_AFTERWARDS_SECONDS)


async def restart_the_cache(course: Course) -> None:
    """Restart Redis: it comes back empty."""
    await course.until(FAULT_AT)
    await course.fault(Fault.RESTART, CACHE)
    await asyncio.sleep(_AFTERWARDS_SECONDS)


async def flush_the_cache(course: Course) -> None:
    """Empty Redis five times, a second apart."""
    await course.until(FAULT_AT)
    async with redis.asyncio.Redis(port=course.stack.profile.ports.redis_cache) as cache:
        for _ in range(5):
            await cache.flushall()
            course.note("flush", "FLUSHALL")
            await asyncio.sleep(1)


SPOIL_THE_CACHE: dict[str, Script] = {
    "killed": lose(CACHE, Fault.KILL),
    "hung": lose(CACHE, Fault.STOP),
    "restarted": restart_the_cache,
    "flushed": flush_the_cache,
}
"""Everything that can happen to the shared cache."""


async def lose_the_primary_without_a_cache(course: Course) -> None:
    """Kill Redis, then the primary, and bring both back: reads have MongoDB alone, which is electing."""
    await course.until(FAULT_AT)
    await course.fault(Fault.KILL, CACHE)
    try:
        await asyncio.sleep(1)
        name = await course.fault(Fault.KILL, "primary")
        try:
            await asyncio.sleep(_BROKEN_SECONDS)
        finally:
            await course.fault(Fault.RESTART, name)
    finally:
        await course.fault(Fault.RESTART, CACHE)
    await asyncio.sleep(_AFTERWARDS_SECONDS)


async def lose_the_majority(course: Course) -> None:
    """Kill the primary and one more, and bring one back after 8 s, which is noted as healed; then the other."""
    await course.until(FAULT_AT)
    gone = [await course.fault(Fault.KILL, "primary")]
    try:
        gone.append(await course.fault(Fault.KILL, "secondary"))
        await asyncio.sleep(_BROKEN_SECONDS)
        await course.fault(Fault.RESTART, gone.pop())
        course.note(HEALED, "there is a majority again")
        await asyncio.sleep(_AFTERWARDS_SECONDS + _ELECTION_SECONDS)
    finally:
        for name in gone:
            await course.fault(Fault.RESTART, name)


async def cut_off_the_primary(course: Course) -> None:
    """Lose for 8 s what the primary and the secondaries send to each other; clients go on reaching all three."""
    await course.until(FAULT_AT)
    processes = (await asyncio.to_thread(course.stack.status))["processes"]
    nodes = {one["name"]: Server(one["pid"], one["port"]) for one in processes if one["kind"] == "mongod"}
    name = next(one["name"] for one in processes if one["role"] == "primary")
    primary = nodes.pop(name)
    with ExitStack() as healing:
        await asyncio.to_thread(healing.enter_context, cut_off(primary, list(nodes.values())))
        course.note("cut off", f"{name} is cut off")
        await asyncio.sleep(_BROKEN_SECONDS)
        await asyncio.to_thread(healing.close)
    course.note(HEALED, f"{name} is back")
    await asyncio.sleep(_AFTERWARDS_SECONDS)


def restart_replicas(*, requests: int) -> Script:
    """Return a script that restarts replicas one by one, again and again, until so many requests are through."""

    async def script(course: Course) -> None:
        await course.until(FAULT_AT)
        while True:
            for replica in await asyncio.to_thread(course.stack.replicas):
                course.note("restart", f"{replica} is restarted")
                await asyncio.to_thread(course.stack.restart_gently, replica)
            if len(course.traffic.history.samples) > requests:
                return

    return script
