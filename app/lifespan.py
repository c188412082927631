"""Opens what a replica needs for as long as it runs, and lets it drain before it stops."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI

from app import clock
from app.cache.invalidation import Invalidator
from app.cache.reading import CachedReads
from app.cache.sessions import Sessions
from app.cache.shared import SharedStore
from app.cache.watcher import Watcher
from app.database import Database
from app.idempotency import Writer
from app.pagination import CursorSigner
from app.payments.stripe_gateway import gateway_of
from app.payments.till import Till
from app.proxies import Proxies
from app.search.vocabulary_feed import VocabularyFeed
from app.services.desk import Desk
from app.services.stock_reads import StockReads
from app.settings import Settings
from app.telemetry import logger

_ENDING_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5


@dataclass
class Resources:
    """What requests work with."""

    settings: Settings
    database: Database
    writer: Writer
    reads: CachedReads
    signer: CursorSigner
    vocabulary: VocabularyFeed
    sessions: Sessions
    desk: Desk
    proxies: Proxies
    till: Till
    stock: StockReads
    draining: bool = False


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel these tasks, again and again until they end; for some seconds at most."""
    # A client library may take a cancellation for one of its own time-outs, and go on: it is told again.
    deadline = clock.monotonic() + _ENDING_SECONDS
    while tasks and clock.monotonic() < deadline:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=_PAUSE_SECONDS)
    for task in tasks:
        logger.error("a task doesn't end", extra={"task": repr(task)})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the resources, wait for no other server, and close them at the end."""
    settings: Settings = app.state.settings
    shared = SharedStore(settings.cache_url.get_secret_value())
    async with Database(settings) as database:
        invalidator = Invalidator.of(settings, shared)
        watcher = Watcher(
            name=settings.process_name, database=database.database, shared=shared, invalidator=invalidator
        )
        writer = Writer(database, invalidator)
        gateway = gateway_of(settings)
        resources = Resources(
            settings=settings,
            database=database,
            writer=writer,
            reads=CachedReads(shared, database=database),
            signer=CursorSigner(settings),
            vocabulary=VocabularyFeed(),
            sessions=Sessions(shared, database=database),
            desk=Desk.of(settings, writer),
            proxies=Proxies(settings),
            till=Till(writer, gateway),
            stock=StockReads(database),
        )
        beside = [asyncio.create_task(watcher.run()), asyncio.create_task(resources.sessions.run())]
        resources.vocabulary.start()
        app.state.resources = resources
        loop = asyncio.get_running_loop()

        def drain() -> None:
            logger.info("draining")
            resources.draining = True

        def serve_on() -> None:
            logger.info("serving on")
            resources.draining = False

        loop.add_signal_handler(signal.SIGUSR1, drain)
        loop.add_signal_handler(signal.SIGUSR2, serve_on)
        # Collections of the oldest generation walk everything that was imported: 50 to 85 ms each without this.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)
        logger.info("started")
        yield
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)
        await end_tasks(beside)
        await resources.vocabulary.aclose()
        await gateway.aclose()
        await resources.desk.aclose()
        await shared.aclose()
    logger.info("stopped")
