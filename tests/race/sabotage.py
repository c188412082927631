"""Makes the application with one step of a protocol replaced by nothing, to see that the tests find it.

`SABOTAGE` names what is done, comma-separated. `slow-…` only slows something down, as a busy machine would, and must
harm nobody; `no-…` and `old-…` take a step away. Those of the cache are here, those of orders
in order_sabotage.py, those of payments in payment_sabotage.py.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from app import clock
from app.cache import shared
from app.cache.edge import Edge
from app.cache.flights import Flights
from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.cache.tags import Names, at_edges
from app.cache.watcher import Watcher
from app.database import Database
from app.main import create_app as create_intact_app
from tests.race import order_sabotage, payment_sabotage
from tests.race.deaths import die_after, die_before

patch = pytest.MonkeyPatch()


def slow_fill() -> None:
    """Let time pass between a read of the database and what is done with it."""
    intact = Database.fresh

    async def fresh(self: Database, read: Callable[[], Awaitable[Any]]) -> Any:
        found = await intact(self, read)
        await asyncio.sleep(random.random() * 0.1)
        return found

    patch.setattr(Database, "fresh", fresh)


def no_edge() -> None:
    """Leave the generations at the edges as they are."""

    async def renew(_: Edge, __: Names) -> bool:
        return True

    patch.setattr(Edge, "renew", renew)


def no_shared() -> None:
    """Leave in Redis what is there."""

    async def forget(_: SharedStore, __: Names) -> bool:
        return True

    patch.setattr(SharedStore, "forget", forget)


def no_token() -> None:
    """Store what a fill brings, however old its token is."""
    patch.setattr(shared, "_STORE", "redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) return 1")


def no_waiting() -> None:
    """Answer the writer while its invalidation is still on the way, a slow one."""
    intact = Invalidator.touch
    running: set[asyncio.Task[None]] = set()

    async def touch(self: Invalidator, names: Names, **more: Any) -> None:
        async def late() -> None:
            await asyncio.sleep(0.1)
            await intact(self, names, **more)

        task = asyncio.create_task(late())
        running.add(task)
        task.add_done_callback(running.discard)

    patch.setattr(Invalidator, "touch", touch)


def no_lease() -> None:
    """Don't wait until an edge that can't be reached has run out of old answers."""

    async def outlast_edges(self: Invalidator, names: Names) -> bool:
        return not await self._unconfirmed(self._edges, at_edges(names))

    patch.setattr(Invalidator, "outlast_edges", outlast_edges)


def no_redis_lease() -> None:
    """Don't wait until nobody believes a Redis any more that can't be told."""

    async def outlast(_: Invalidator) -> None:
        return

    patch.setattr(Invalidator, "_outlast_shared", outlast)


def no_order() -> None:
    """Tell the edges before Redis: for a moment they are filled again from what it still holds."""

    async def touch(self: Invalidator, told: Names, *_: Any) -> None:
        await self.outlast_edges(told)
        await asyncio.sleep(0.02)
        await self._shared.forget(told)

    patch.setattr(Invalidator, "_touch", touch)


def no_next_flight() -> None:
    """Let everybody join the run that is in the air, also where it may have read something older."""
    intact = Flights.join

    async def join(self: Flights[Any], key: Any, work: Any, *, running_will_do: bool = False) -> Any:
        return await intact(self, key, work, running_will_do=True)

    patch.setattr(Flights, "join", join)


def never_watches() -> None:
    """Leave the watching to other replicas."""

    async def run(_: Watcher) -> None:
        await asyncio.Event().wait()

    patch.setattr(Watcher, "run", run)


def no_watcher() -> None:
    """Let nobody follow the change stream, and vouch for Redis all the same."""

    async def run(self: Watcher) -> None:
        while True:
            await self._shared.believe(until=clock.now() + timedelta(seconds=3))
            await asyncio.sleep(0.5)

    patch.setattr(Watcher, "run", run)


DEATHS = {
    "die-before-telling": die_before(Invalidator, "_touch"),
    "die-between-levels": die_before(Invalidator, "outlast_edges"),
    "die-after-telling": die_after(Invalidator, "touch"),
}
"""One replica dies on the way from its commit to its answer."""

STEPS = {
    "slow-fill": slow_fill,
    "no-edge": no_edge,
    "no-shared": no_shared,
    "no-token": no_token,
    "no-waiting": no_waiting,
    "no-lease": no_lease,
    "no-redis-lease": no_redis_lease,
    "no-order": no_order,
    "no-next-flight": no_next_flight,
    "never-watches": never_watches,
    "no-watcher": no_watcher,
    **DEATHS,
    **order_sabotage.STEPS,
    **payment_sabotage.STEPS,
}


def create_app() -> FastAPI:
    """Return the application, sabotaged as the environment says."""
    for step in filter(None, os.environ.get("SABOTAGE", "").split(",")):
        STEPS[step]()
    return create_intact_app()
