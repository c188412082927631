from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.settings import Settings
from bench.staleness import Findings, Search
from tests.haproxy.edge import NOBODY
from tests.race.farm import running_farm

READS, WRITES = 2_500, 50
"""Per intact run here, at least; `./bookstore bench staleness` checks 100,000 reads and more."""

LONG_ENOUGH = 120.0
"""Seconds in which a build that lacks a step must be caught; most are within a few."""

NO_REDIS = {"BOOKSTORE_CACHE_URL": f"redis://{NOBODY}/0"}
NO_SOCKET = {"BOOKSTORE_EDGE_SOCKETS": NOBODY}


@dataclass(frozen=True)
class Build:
    """What is done to the replicas, and what they are told."""

    sabotage: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


async def search(settings: Settings, folder: Path, build: Build, *, until_stale: bool) -> Findings:
    async with running_farm(settings, folder, sabotage=build.sabotage, environment=build.environment) as farm:
        finding = Search(farm.url, farm.staff_token)
        reads = 10**9 if until_stale else READS
        return await finding.run(reads=reads, writes=WRITES, seconds=LONG_ENOUGH, until_stale=until_stale)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(Build(), id="intact"),
        pytest.param(Build("slow-fill"), id="slow fills"),
        pytest.param(Build("slow-fill", NO_REDIS), id="no Redis"),
    ],
)
async def test_no_answer_goes_behind_an_acknowledged_write(settings: Settings, tmp_path: Path, build: Build) -> None:
    found = await search(settings, tmp_path, build, until_stale=False)

    print(f"{found.reads} reads checked beside {found.writes} writes: {len(found.stale)} stale; {found.answered_by}")
    assert found.stale == []
    assert (found.failed_reads, found.failed_writes) == ({}, 0)
    assert found.reads >= READS
    assert found.writes >= WRITES


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(Build("no-edge"), id="generations left as they are"),
        pytest.param(Build("no-shared"), id="Redis left as it is"),
        pytest.param(Build("slow-fill,no-token"), id="fills stored whatever their token"),
        pytest.param(Build("no-waiting"), id="writers that don't wait"),
        pytest.param(Build("no-lease", NO_SOCKET), id="an edge out of reach not waited out"),
        pytest.param(Build("slow-fill,no-next-flight", NO_REDIS), id="flights joined in the air"),
    ],
)
async def test_each_step_is_needed(settings: Settings, tmp_path: Path, build: Build) -> None:
    found = await search(settings, tmp_path, build, until_stale=True)

    print(f"stale after {found.reads} reads, {found.seconds:.1f} s: {found.stale[:1]}")
    assert found.stale
