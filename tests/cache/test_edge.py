"""An edge that HAProxy's own tests can't make misbehave: a socket that answers as HAProxy does, or not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.cache import edge, invalidation
from app.cache.edge import Edge
from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore

SETTLED = "\nStopping: 0\nUptime_sec: 60\n"
JUST_STARTED = "\nStopping: 0\nUptime_sec: 0\n"


@asynccontextmanager
async def _runtime_socket(path: Path, reply: Callable[[], str]) -> AsyncIterator[Edge]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply().encode())
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield Edge(str(path))


async def test_an_edge_whose_workers_never_settle_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "_HANDOVER_SECONDS", 1)

    async with _runtime_socket(tmp_path / "edge", lambda: JUST_STARTED) as restarting, asyncio.timeout(60):
        assert not await restarting.renew(frozenset({"bk_1"}))


async def test_a_writer_goes_on_as_soon_as_an_edge_that_failed_once_confirms(
    shared: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidation, "EDGE_LEASE", timedelta(hours=1))
    replies = iter(["out of breath"])

    async with _runtime_socket(tmp_path / "edge", lambda: next(replies, SETTLED)) as slow, asyncio.timeout(60):
        await Invalidator(shared=shared, edges=[slow]).touch(frozenset({"bk_1"}))
