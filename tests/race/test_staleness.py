import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient

from app.settings import Settings
from bench.staleness import Findings, Search
from tests.factories.books import API
from tests.haproxy.edge import NOBODY, say
from tests.race.farm import DATABASE, running_farm

READS, WRITES = 2_500, 50
"""Per intact run here, at least; `./bookstore bench staleness` checks 100,000 reads and more."""

LONG_ENOUGH = 120.0
"""Seconds in which a build that lacks a step must be caught; most are within a few."""

RELOADS = 4

NO_REDIS = {"BOOKSTORE_CACHE_URL": f"redis://{NOBODY}/0"}
NO_SOCKET = {"BOOKSTORE_EDGE_SOCKETS": NOBODY}


@dataclass(frozen=True)
class Build:
    """What is done to the replicas, and what they, or the first of them alone, are told."""

    sabotage: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)
    writes: int = WRITES


async def search(settings: Settings, folder: Path, build: Build, *, until_stale: bool) -> Findings:
    told = {"environment": build.environment, "first": build.first}
    async with running_farm(settings, folder, sabotage=build.sabotage, replicas=3, **told) as farm:
        finding = Search(farm.url, farm.staff_token)
        reads = 10**9 if until_stale else READS
        return await finding.run(reads=reads, writes=build.writes, seconds=LONG_ENOUGH, until_stale=until_stale)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(Build(), id="intact"),
        pytest.param(Build("slow-fill"), id="slow fills"),
        pytest.param(Build("slow-fill", NO_REDIS), id="no Redis"),
        pytest.param(Build(first=NO_REDIS | {"SABOTAGE": "never-watches"}, writes=6), id="one replica without Redis"),
        pytest.param(Build("slow-fill", NO_SOCKET, writes=4), id="an edge out of reach"),
    ],
)
async def test_no_answer_goes_behind_an_acknowledged_write(settings: Settings, tmp_path: Path, build: Build) -> None:
    found = await search(settings, tmp_path, build, until_stale=False)

    print(f"{found.reads} reads checked beside {found.writes} writes: {len(found.stale)} stale; {found.answered_by}")
    assert found.stale == []
    assert found.failed_reads == {}
    # Who waits until an edge's answers have run out is near a request's deadline: on a slow machine past it, too.
    assert found.failed_writes == 0 or build.environment == NO_SOCKET
    assert found.reads >= READS
    assert found.writes >= build.writes
    if build == Build():
        # Each level has answered, or nothing was proven of it.
        by = "\n".join(found.answered_by)
        assert all(level in by for level in ("haproxy; hit", "bookstore; hit", "bookstore; fwd=uri-miss")), by


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(Build("no-edge"), id="generations left as they are"),
        pytest.param(Build("no-shared"), id="Redis left as it is"),
        pytest.param(Build("slow-fill,no-token"), id="fills stored whatever their token"),
        pytest.param(Build("no-waiting"), id="writers that don't wait"),
        pytest.param(Build("no-lease", NO_SOCKET), id="an edge out of reach not waited out"),
        pytest.param(
            Build(first=NO_REDIS | {"SABOTAGE": "never-watches,no-redis-lease"}),
            id="a Redis out of reach not waited out",
        ),
        pytest.param(Build("no-order"), id="edges told before Redis"),
        pytest.param(Build("slow-fill,no-next-flight", NO_REDIS), id="flights joined in the air"),
    ],
)
async def test_each_step_is_needed(settings: Settings, tmp_path: Path, build: Build) -> None:
    found = await search(settings, tmp_path, build, until_stale=True)

    print(f"stale after {found.reads} reads, {found.seconds:.1f} s: {found.stale[:1]}")
    assert found.stale


@pytest.mark.parametrize(
    ("build", "shown"),
    [pytest.param(Build(), 200, id="intact"), pytest.param(Build("no-watcher"), 100, id="nobody watches")],
)
async def test_what_changed_past_the_shop_is_shown_by_the_watcher_alone(
    settings: Settings, tmp_path: Path, build: Build, shown: int
) -> None:
    async with (
        running_farm(settings, tmp_path, sabotage=build.sabotage, environment={}) as farm,
        httpx.AsyncClient(base_url=farm.url, trust_env=False, timeout=20) as reader,
        AsyncMongoClient[dict[str, Any]](settings.mongo_url.get_secret_value()) as mongo,
    ):
        # given: a book that both levels keep
        headers = {"Authorization": f"Bearer {farm.staff_token}"}
        body = {"title": "Emma", "authors": ["A"], "language": "en", "price": {"amount": 100, "currency": "USD"}}
        book = (await reader.post(f"{API}/books", json=body, headers=headers)).json()["id"]
        await _answered_by("haproxy; hit", reader, book)

        # when
        await mongo[DATABASE]["books"].update_one({"_id": book}, {"$set": {"price.amount": 200}})

        # then: HAProxy's answer runs out, and what Redis holds then is the truth, or isn't
        assert await _answered_by("bookstore; hit", reader, book) == shown


@pytest.mark.parametrize(
    ("death", "again"),
    [
        ("die-before-telling", True),
        ("die-after-telling", True),
        ("die-before-telling", False),
        ("die-between-levels", False),
    ],
)
async def test_a_writer_killed_while_it_tells_leaves_nothing_stale(
    settings: Settings, tmp_path: Path, death: str, *, again: bool
) -> None:
    """Whoever sends it again hears of it when all is told; left alone, the watcher tells, in whichever replica."""
    died = tmp_path / "died"
    died.touch()  # making the book kills nobody
    async with (
        running_farm(settings, tmp_path, sabotage=death, replicas=3, environment={"DIE_ONCE": str(died)}) as farm,
        httpx.AsyncClient(base_url=farm.url, trust_env=False, timeout=20) as reader,
        httpx.AsyncClient(base_url=farm.replica_urls[0], trust_env=False, timeout=20) as doomed,
    ):
        # given
        headers = {"Authorization": f"Bearer {farm.staff_token}"}
        body = {"title": "Emma", "authors": ["A"], "language": "en", "price": {"amount": 100, "currency": "USD"}}
        book = (await reader.post(f"{API}/books", json=body, headers=headers)).json()["id"]
        await _answered_by("haproxy; hit", reader, book)
        died.unlink()

        # when
        change = {"price": {"amount": 200, "currency": "USD"}}
        headers |= {"If-Match": "*", "Idempotency-Key": "k"}
        with pytest.raises(httpx.TransportError):
            await doomed.patch(f"{API}/books/{book}", headers=headers, json=change)
        assert died.exists()

        # then
        if again:
            answer = await reader.patch(f"{API}/books/{book}", headers=headers, json=change)
            assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (200, "true")
            assert (await reader.get(f"{API}/books/{book}")).json()["price"]["amount"] == 200
        async with asyncio.timeout(LONG_ENOUGH):
            while (await reader.get(f"{API}/books/{book}")).json()["price"]["amount"] != 200:
                await asyncio.sleep(0.05)
        assert await _answered_by("haproxy; hit", reader, book) == 200
        assert await _answered_by("bookstore; hit", reader, book) == 200


async def test_no_answer_goes_behind_an_acknowledged_write_while_haproxy_reloads(
    settings: Settings, tmp_path: Path
) -> None:
    async with running_farm(settings, tmp_path, replicas=3, environment={}) as farm:
        finding = Search(farm.url, farm.staff_token)
        found = finding.findings
        for number in range(1, RELOADS + 1):
            seen, reads, writes = found.reads, READS * number // RELOADS, found.writes + 6
            searching = asyncio.create_task(finding.run(reads=reads, writes=writes, seconds=LONG_ENOUGH))
            while found.reads == seen and not searching.done():
                await asyncio.sleep(0.01)
            await say("reload", socket_path=tmp_path / "master.sock")
            await searching

    print(f"{found.reads} reads checked beside {found.writes} writes and {RELOADS} reloads: {len(found.stale)} stale")
    assert found.stale == []
    assert found.failed_reads == {}
    # A writer that waits for a new worker may run out of time on a slow machine; sent again, it is told.
    assert found.reads >= READS
    assert found.writes >= 6 * RELOADS


async def _answered_by(level: str, reader: httpx.AsyncClient, book: str) -> int:
    """Read the book until this level answers; return the price that it shows then."""
    async with asyncio.timeout(LONG_ENOUGH):
        while (answer := await reader.get(f"{API}/books/{book}")).headers.get("Cache-Status") != level:
            await asyncio.sleep(0.05)
    return int(answer.json()["price"]["amount"])
