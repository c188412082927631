"""Tells how the program's dependencies are, and what works meanwhile."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import PyMongoError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.cache.edge import Edge
from app.cache.invalidation import EDGE_LEASE
from app.database import Database, ping
from app.mail.postman import Postman
from app.models.outbox_event import OutboxEvent
from app.pagination import COUNTED_UP_TO
from app.schemas.fields import Timestamp
from app.settings import Settings, is_rabbitmq

_PATIENCE_SECONDS = 0.5
_PORTS: Final = {"http": 80, "https": 443, "amqp": 5672, "amqps": 5671}

State = Literal["up", "down"]


class Dependency(BaseModel):
    """Something that the program needs, one server or several, and what works while it is in this state."""

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
    answers, events = await asyncio.gather(
        asyncio.gather(
            ping(database, seconds=_PATIENCE_SECONDS),
            _redis_answers(settings.cache_url.get_secret_value()),
            _broker_answers(settings.broker_url.get_secret_value()),
            _listens(settings.stripe_api_base),
            _mail_answers(settings),
            *map(_edge_answers, settings.edges),
        ),
        _events(),
    )
    primary, cache, broker, gateway, mail, *edges = answers
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
            Dependency(
                name="payment-gateway",
                state="up" if gateway else "down",
                works="everything" if gateway else "everything but paying and giving money back, which waits",
            ),
            Dependency(
                name="mail-server",
                state="up" if mail else "down",
                works="everything" if mail else "everything; letters wait, and are tried for three days",
            ),
            *_edges(settings.edges, edges),
        ],
        events=events,
    )


async def _events() -> Events | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return Events.model_validate(await OutboxEvent.backlog(at_most=COUNTED_UP_TO))
    except (PyMongoError, TimeoutError):
        return None


def _edges(addresses: Sequence[str], up: Sequence[bool]) -> list[Dependency]:
    """Return the edges as one dependency; where the program stands behind none, there is nothing to lose."""
    if not addresses:
        return []
    states = [
        # Of a socket's path its last part is enough, for everybody may ask.
        {"address": address.rpartition("/")[2], "state": "up" if one else "down"}
        for address, one in zip(addresses, up, strict=True)
    ]
    late = f"everything; changes of the catalogue take {EDGE_LEASE.seconds} s longer, until all kept there has run out"
    return [
        Dependency(
            name="haproxy-edge",
            state="up" if all(up) else "down",
            members=states,
            works="everything" if all(up) else late,
        )
    ]


async def _broker_answers(url: str) -> bool:
    return await (_listens(url) if is_rabbitmq(url) else _redis_answers(url))


async def _mail_answers(settings: Settings) -> bool:
    postman = Postman(settings)
    return await _answers(asyncio.open_connection(postman.host, postman.port))


async def _edge_answers(address: str) -> bool:
    return await _answers(Edge(address).connect())


async def _listens(url: str) -> bool:
    address = urlsplit(url)
    return await _answers(asyncio.open_connection(address.hostname, address.port or _PORTS[address.scheme]))


async def _answers(connecting: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> bool:
    """Tell whether a connection can be made; nothing is sent, and no secret with it."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, writer = await connecting
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
