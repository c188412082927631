"""Gives cache tests a Redis database of their own, and a Redis of their own where they break it."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.cache.shared import SharedStore
from app.settings import Settings


class OwnRedis:
    """A real Redis that a test may kill, hang, flush and start again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        binary = shutil.which("redis-server") or "/usr/bin/redis-server"
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder))
        self._process = await asyncio.create_subprocess_exec(binary, *options, stdout=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(30), Redis.from_url(self.url) as redis:
            while not await self._answers(redis):
                await asyncio.sleep(0.02)

    @staticmethod
    async def _answers(redis: "Redis") -> bool:
        try:
            return bool(await redis.ping())
        except OSError:
            return False
        except Exception as error:  # redis-py wraps what the socket said
            if "onnect" in str(error):
                return False
            raise

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    redis = OwnRedis(tmp_path)
    await redis.start()
    yield redis
    await redis.kill()


@pytest.fixture
async def shared(settings: Settings) -> AsyncIterator[SharedStore]:
    """The shared level, over an empty Redis database that no watcher looks after."""
    url = settings.cache_url.get_secret_value().removesuffix("/1") + "/2"
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
    store = SharedStore(url)
    yield store
    await store.aclose()
