"""Runs API replicas behind a HAProxy of their own, over the stack's databases: for builds that lack something."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from redis.asyncio import Redis

from app.settings import Settings
from stack.tokens import minted_token
from tests.factories.ports import free_port
from tests.haproxy.edge import CONFIGURATION, REPOSITORY, haproxy_binary


@dataclass(frozen=True)
class Farm:
    """Some replicas behind a HAProxy."""

    url: str
    cache_url: str
    staff_token: str
    replica_urls: tuple[str, ...]


DATABASE: Final = "bookstore_race"
"""A database of the farms' own: their watchers vouch for their own Redis."""


@asynccontextmanager
async def running_farm(
    settings: Settings,
    folder: Path,
    *,
    sabotage: str = "",
    environment: Mapping[str, str],
    first: Mapping[str, str] | None = None,
    replicas: int = 2,
) -> AsyncIterator[Farm]:
    """Start a farm whose replicas are sabotaged as named; its cache is empty, its edge its own.

    The first replica may be told something else than the others.
    """
    # In a process of its own: Beanie binds the models of a process to one database.
    job = {**os.environ, "BOOKSTORE_MONGO_DATABASE": DATABASE, "PYTHONPATH": str(REPOSITORY)}
    migrating = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.migrate", env=job)
    assert await migrating.wait() == 0
    cache_url = settings.cache_url.get_secret_value().rsplit("/", 1)[0] + "/3"
    async with Redis.from_url(cache_url) as redis:
        await redis.flushdb()
    ports = [free_port() for _ in range(replicas)]
    api = {
        **os.environ,
        "BOOKSTORE_MONGO_DATABASE": DATABASE,
        "BOOKSTORE_CACHE_URL": cache_url,
        "BOOKSTORE_EDGE_SOCKETS": str(folder / "haproxy.sock"),
        "SABOTAGE": sabotage,
        "PYTHONPATH": str(REPOSITORY),
        **environment,
    }
    bind = f"127.0.0.1:{free_port()}"
    edge = {
        "PATH": os.environ["PATH"],
        "HAPROXY_BIND": bind,
        "HAPROXY_STATS_BIND": f"127.0.0.1:{free_port()}",
        "HAPROXY_RUNTIME_SOCKET": str(folder / "haproxy.sock"),
        "HAPROXY_ERRORS": str(REPOSITORY / "haproxy" / "errors"),
        **{f"HAPROXY_API_{n}": f"127.0.0.1:{ports[min(n, replicas) - 1]}" for n in (1, 2, 3)},
    }
    uvicorn = ("-m", "uvicorn", "tests.race.sabotage:create_app", "--factory", "--loop", "uvloop", "--no-access-log")
    async with AsyncExitStack() as stack:
        for number, port in enumerate(ports, 1):
            name = {"BOOKSTORE_PROCESS_NAME": f"farm-{number}"} | dict(first or {} if number == 1 else {})
            command = (sys.executable, *uvicorn, "--port", str(port))
            await stack.enter_async_context(_process(*command, env=api | name, log=folder / f"api-{number}.log"))
        balancer = (haproxy_binary(), "-W", "-S", str(folder / "master.sock"), "-f", str(CONFIGURATION))
        await stack.enter_async_context(_process(*balancer, env=edge, log=folder / "haproxy.log"))
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            for origin in (*(f"http://127.0.0.1:{port}" for port in ports), f"http://{bind}"):
                while not await _ready(client, origin):
                    await asyncio.sleep(0.05)
        token = await asyncio.to_thread(minted_token, {**api, "SABOTAGE": ""}, role="staff", seconds=3600)
        yield Farm(f"http://{bind}", cache_url, token, tuple(f"http://127.0.0.1:{port}" for port in ports))


async def _ready(client: httpx.AsyncClient, origin: str) -> bool:
    try:
        return (await client.get(f"{origin}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def _process(*command: str, env: dict[str, str], log: Path) -> AsyncIterator[None]:
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=output, stderr=output)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
