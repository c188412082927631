"""A writer and a watcher whose HAProxy, a real one, can't be reached at first."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from app.cache import invalidation
from app.cache.edge import Edge as RuntimeSocket
from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from tests.factories.own_redis import OwnRedis
from tests.haproxy.conftest import StartEdge
from tests.haproxy.edge import Edge
from tests.haproxy.origin import Origin

BOOK = "bk_01JABCDEFGHJKMNPQRSTVWXYZ0"


@dataclass(frozen=True)
class CutOff:
    """An invalidator that looks for HAProxy's socket where it isn't yet."""

    invalidator: Invalidator
    socket: RuntimeSocket
    edge: Edge

    def mend(self) -> None:
        """Put the socket there."""
        Path(self.socket.address).symlink_to(self.edge.environment["HAPROXY_RUNTIME_SOCKET"])

    async def knows(self, name: str) -> bool:
        """Tell whether HAProxy has a generation for this name."""
        return f"key={name} " in await self.edge.runtime("show table edge_generations")


@pytest.fixture
async def cut_off(
    start_edge: StartEdge, origin: Origin, own_redis: OwnRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CutOff]:
    """No lease ends here: who returns within the test's time was confirmed."""
    monkeypatch.setattr(invalidation, "EDGE_LEASE", timedelta(hours=1))
    store, socket = SharedStore(own_redis.url), RuntimeSocket(str(tmp_path / "later.sock"))
    yield CutOff(Invalidator(shared=store, edges=[socket]), socket, await start_edge(origin))
    await store.aclose()


async def test_a_writer_waits_no_longer_than_until_the_edge_confirms(cut_off: CutOff) -> None:
    # given
    writing = asyncio.create_task(cut_off.invalidator.touch(frozenset({BOOK})))
    while cut_off.socket._breaker.lets_through and not writing.done():
        await asyncio.sleep(0.01)
    assert not writing.done()
    assert not await cut_off.knows(BOOK)

    # when
    cut_off.mend()

    # then
    async with asyncio.timeout(60):
        await writing
    assert await cut_off.knows(BOOK)


async def test_what_an_edge_did_not_confirm_is_told_again(cut_off: CutOff) -> None:
    # given
    assert await cut_off.invalidator.tell(frozenset({BOOK}), cause="change_stream")
    await cut_off.invalidator.tell_again()
    assert not await cut_off.knows(BOOK)

    # when
    cut_off.mend()

    # then
    async with asyncio.timeout(60):
        while not await cut_off.knows(BOOK):
            await cut_off.invalidator.tell_again()
            await asyncio.sleep(0.05)
