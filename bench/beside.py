"""Runs what the hot path is measured beside, behind an HAProxy with the shop's global settings."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Final

from redis.asyncio import Redis

from bench.serving import free_ports, serving, uvicorn
from bench.shop import Shop
from bench.wrk import Asked

CONFIGURATION: Final = Path(__file__).parent / "contenders" / "limits.cfg"
REPLICAS: Final = 3
_APPS: Final = ("bare", "redis_get", "tutorial")
_FRONTENDS: Final = ("detail", "search", "not_modified", *_APPS)


@dataclass(frozen=True)
class Beside:
    """Addresses: HAProxy by itself for each kind of answer, and each contender behind HAProxy."""

    urls: Mapping[str, str]


def contender_redis(shop: Shop) -> str:
    """Return the address of a Redis database beside the shop's own, in the same server."""
    return f"redis://127.0.0.1:{shop.profile.ports.redis_cache}/5"


def keep_bodies(shop: Shop, asked: list[Asked]) -> dict[str, bytes]:
    """Put the shop's answers into the contenders' Redis under their paths; return them."""
    bodies = {one.path: shop.fetch(one.path) for one in asked}

    async def keep() -> None:
        async with Redis.from_url(contender_redis(shop)) as redis:
            await redis.mset(dict(bodies))

    asyncio.run(keep())
    return bodies


def body_file(shop: Shop, name: str, bodies: Mapping[str, bytes]) -> Path:
    """Write the body of the middle size to a file."""
    size = median_low(len(body) for body in bodies.values())
    file = shop.profile.run / f"{name}.json"
    file.write_bytes(next(body for body in bodies.values() if len(body) == size))
    return file


@contextmanager
def beside(shop: Shop, *, detail: Path, search: Path) -> Iterator[Beside]:
    """Start all of them."""
    logs = shop.profile.logs
    fronts = dict(zip(_FRONTENDS, free_ports(len(_FRONTENDS)), strict=True))
    backs = free_ports(len(_APPS) * REPLICAS, first=20_180)
    servers = {
        f"{app}_{number + 1}": backs[place * REPLICAS + number]
        for place, app in enumerate(_APPS)
        for number in range(REPLICAS)
    }
    ours = {"BENCH_REDIS": contender_redis(shop), "BENCH_BODY": str(detail)}
    settings = {
        "BENCH_BODY_DETAIL": str(detail),
        "BENCH_BODY_SEARCH": str(search),
        **{f"BENCH_PORT_{name.upper()}": str(port) for name, port in fronts.items()},
        **{f"BENCH_{name.upper()}": str(port) for name, port in servers.items()},
    }
    with ExitStack() as running:
        for name, port in servers.items():
            app = name.rpartition("_")[0]
            running.enter_context(
                uvicorn(f"bench.contenders.{app}:app", port=port, environment=shop.stack.environment | ours, logs=logs)
            )
        command = ("haproxy", "-db", "-f", str(CONFIGURATION))
        running.enter_context(serving("limits", command, port=fronts["detail"], environment=settings, logs=logs))
        yield Beside({name: f"http://127.0.0.1:{port}" for name, port in fronts.items()})
