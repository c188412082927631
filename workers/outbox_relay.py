"""Rings Celery for events that wait: `python -m workers.outbox_relay`, a process of its own.

The only place that sends tasks. A ring says no more than "look into the outbox for these subjects"; what there is to
do stands in MongoDB. So a ring may be lost, or come twice, with a broker that was flushed, killed or restored: what
still waits is rung for again.
"""

import argparse
import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from pymongo.errors import PyMongoError

from app import clock
from app.database import Database
from app.ids import PAYMENT
from app.models.outbox_event import OutboxEvent, OutboxState
from app.settings import is_rabbitmq
from app.telemetry import configure_logging, logger
from workers.celery_app import celery_app, settings
from workers.schedule import MONEY, SENT_WITHIN

DELIVER: Final = "outbox.deliver"

AGAIN: Final = timedelta(seconds=5)
"""How long a ring may take to have an effect, before there is another."""

_FORGOTTEN_AFTER_SECONDS: Final = 60
"""Rings that lay in the broker for longer are thrown away: there were others since."""

_PAUSE_SECONDS: Final = 1.0
_GATHER_SECONDS: Final = 0.15
"""So long after it rang it gathers before it rings again: a worker that is called for each event by itself is called
more often than it can come, while one that is called for many delivers them at once."""
_ROWS: Final = 500
_SUBJECTS_PER_RING: Final = 20

_MOST_RINGS: Final = 1_000
"""So many tasks in the broker are taken by nobody: more would fill its memory, and a worker that comes back would have
to throw away all of them before it came to one that still counts. RabbitMQ does that by itself."""

Ring = Callable[[Sequence[str]], None]


def ring(subjects: Sequence[str]) -> None:
    """Send one task; it delivers for all these subjects at once: two, where some are payments and some aren't.

    None is sent where too many lie there already.

    Raises:
        OperationalError: the broker is away.
    """
    payments = [subject for subject in subjects if subject.startswith(f"{PAYMENT}_")]
    others = [subject for subject in subjects if subject not in payments]
    for queue, some in ((MONEY, payments), (celery_app.conf.task_default_queue, others)):
        if some:
            _ring(queue, some)


def _ring(queue: str, subjects: Sequence[str]) -> None:
    with celery_app.producer_pool.acquire(block=True) as producer:
        try:
            if not is_rabbitmq(celery_app.conf.broker_url) and _waiting(producer, queue) >= _MOST_RINGS:
                return
            celery_app.send_task(
                DELIVER,
                args=[list(subjects)],
                queue=queue,
                expires=_FORGOTTEN_AFTER_SECONDS,
                timeout=SENT_WITHIN,
                retry=False,
                producer=producer,
            )
        except OperationalError:
            # Given back, it would be closed with a goodbye that a broker that hangs never returns.
            producer.connection.collect()
            raise


def _waiting(producer: Producer, queue: str) -> int:
    try:
        return int(producer.channel.queue_declare(queue).message_count)
    except (
        *producer.connection.recoverable_connection_errors,
        *producer.connection.recoverable_channel_errors,
    ) as error:
        raise OperationalError(str(error)) from error


class Relay:
    """Sweeps the outbox by its index, for certainty; the change stream wakes it at once, for speed."""

    def __init__(self, database: Database, *, ring: Ring, heartbeat: Path | None = None) -> None:
        """Take what it watches, how it rings, and the file that it touches after each sweep."""
        self._database = database
        self._ring = ring
        self._heartbeat = heartbeat
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Ring for as long as the process lives; every failure is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._sweep_again_and_again())

    async def sweep(self) -> int:
        """Ring for what waits; return for how many subjects.

        Raises:
            OperationalError: the broker is away; what was to be rung for is rung for later.
        """
        now = clock.now()
        subjects = await OutboxEvent.subjects_to_ring_for(now=now, limit=_ROWS)
        if subjects:
            # Claimed first: a process that dies in between costs one pause, and two relays don't ring twice.
            await OutboxEvent.claim_ringing(subjects, now=now, again_at=now + AGAIN)
        for first in range(0, len(subjects), _SUBJECTS_PER_RING):
            await asyncio.to_thread(self._ring, subjects[first : first + _SUBJECTS_PER_RING])
        return len(subjects)

    async def _sweep_again_and_again(self) -> None:
        logger.info("the relay sweeps")
        while True:
            self._news.clear()
            rang = 0
            try:
                rang = await self.sweep()
            except OperationalError as error:
                logger.warning("the broker is away", extra={"error": str(error)[:200]})
            except PyMongoError as error:
                logger.warning("the outbox can't be read", extra={"error": str(error)[:200]})
            if self._heartbeat:
                self._heartbeat.touch()
            if rang:
                await asyncio.sleep(_GATHER_SECONDS)
                continue
            try:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _listen(self) -> None:
        pipeline: list[dict[str, Any]] = [
            # What nobody waits for is only recorded.
            {"$match": {"operationType": "insert", "fullDocument.state": OutboxState.WAITING.value}},
            {"$project": {"_id": 1}},
        ]
        while True:
            try:
                async with await OutboxEvent.get_pymongo_collection().watch(pipeline, max_await_time_ms=1000) as stream:
                    # Not `async for`, which gives up after the client's own time-out where nothing comes.
                    while stream.alive:
                        if await stream.try_next():
                            self._news.set()
            except PyMongoError as error:
                logger.info("the change stream broke; sweeping goes on", extra={"error": str(error)[:200]})
                await asyncio.sleep(_PAUSE_SECONDS)


async def relay(heartbeat: Path | None) -> None:
    """Run until SIGTERM."""
    configure_logging(settings.process_name)
    loop = asyncio.get_running_loop()
    async with Database(settings) as database:
        running = asyncio.create_task(Relay(database, ring=ring, heartbeat=heartbeat).run())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
    logger.info("stopped")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heartbeat", type=Path, help="a file to touch after each sweep")
    asyncio.run(relay(parser.parse_args().heartbeat))
