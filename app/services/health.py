"""Tells how the program's dependencies are, and what works meanwhile."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import PyMongoError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.database import Database, ping
from app.models.outbox_event import OutboxEvent
from app.pagination import COUNTED_UP_TO
from app.schemas.fields import Timestamp
from app.settings import Settings, is_rabbitmq

_PATIENCE_SECONDS = 0.5

State = Literal["up", "down"]


class Dependency(BaseModel):
    """One server that the program needs, and what works while it is in this state."""

    name: str
    state: State
    members: list[dict[str, str]] | None = None
    works: str


class Events(BaseModel):
    """What the outbox holds: e-mails to be sent, and payments to be settled."""

    model_config = ConfigDict(from_attributes=True)

    waiting: Annotated[int, Field(description="To be delivered, or delivered again after a failure")]
    oldest_waiting_since: Timestamp | None
    failed: Annotated[int, Field(description="Given up: somebody has to look (docs/runbooks/faults.md)")]


class Status(BaseModel):
    """How everything is, as this replica sees it."""

    replica: str
    dependencies: list[Dependency]
    events: Annotated[Events | None, Field(description="Unknown while MongoDB doesn't answer")]


async def status_of(settings: Settings, database: Database) -> Status:
    """Ask every dependency, at once and with little patience; never fails."""
    primary, cache, broker, events = await asyncio.gather(
        ping(database, seconds=_PATIENCE_SECONDS),
        _redis_answers(settings.cache_url.get_secret_value()),
        _broker_answers(settings.broker_url.get_secret_value()),
        _events(),
    )
    return Status(
        replica=settings.process_name,
        dependencies=[
            Dependency(
                name="mongodb",
                state="up" if primary else "down",
                members=await database.state(),
                works="everything" if primary else "answers that the caches hold; everything else answers 503",
            ),
            Dependency(
                name="redis-cache",
                state="up" if cache else "down",
                works="everything" if cache else "everything; reads go to MongoDB and are slower",
            ),
            Dependency(
                name="rabbitmq-broker" if is_rabbitmq(settings.broker_url.get_secret_value()) else "redis-broker",
                state="up" if broker else "down",
                works="everything" if broker else "everything but background work, which waits",
            ),
        ],
        events=events,
    )


async def _events() -> Events | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return Events.model_validate(await OutboxEvent.backlog(at_most=COUNTED_UP_TO))
    except (PyMongoError, TimeoutError):
        return None


async def _broker_answers(url: str) -> bool:
    return await (_listens(url) if is_rabbitmq(url) else _redis_answers(url))


async def _listens(url: str) -> bool:
    address = urlsplit(url)
    port = address.port or (5671 if address.scheme == "amqps" else 5672)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(address.hostname, port)
            writer.close()
    except (OSError, TimeoutError):
        return False
    return True


async def _redis_answers(url: str) -> bool:
    client: Redis = Redis.from_url(url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return bool(await client.ping())
    except (RedisError, OSError, TimeoutError):
        return False
    finally:
        await client.aclose()
