"""A real Redis that belongs to one test."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

from redis.asyncio import Redis

from tests.factories.ports import free_port


class OwnRedis:
    """A real Redis that a test may kill, hang, flush and start again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
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
