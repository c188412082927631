import json
import os
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from stack.load.history import Kind, Sample, percentile
from stack.load.run import Run
from stack.profile import throwaway_profile
from stack.running import Stack, running_stack
from tests.failover.world import World, a_world

Told = Callable[[str, Run], None]


@pytest.fixture(scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A whole system that these tests may break; each of them leaves it whole."""
    profile = throwaway_profile("failover", folder=tmp_path_factory.mktemp("failover") / "up", first_port=28000)
    async with running_stack(profile) as stack:
        yield stack


@pytest.fixture(scope="module")
async def world(system: Stack) -> AsyncIterator[World]:
    """A shop in which something was bought."""
    async with a_world(system) as made:
        yield made


@pytest.fixture(scope="session")
def rate() -> float:
    """Requests a second; a slow machine shared with others must carry them."""
    return float(os.environ.get("BOOKSTORE_FAILOVER_RATE", "60"))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Told:
    """Prints what a run measured, past pytest's capture: numbers for people, judged by nobody here."""

    def told(name: str, run: Run) -> None:
        with capsys.disabled():
            print(f"\n{name}: {len(run.history.samples):,} requests, {run.audit.acknowledged:,} writes acknowledged")
            for kind in Kind:
                samples = run.history.of({kind})
                if samples:
                    print(f"  {kind.value:14} {_numbers(samples)}")
            print(f"  {json.dumps([(round(event.at, 2), event.text) for event in run.events])}", file=sys.stdout)

    return told


def _numbers(samples: list[Sample]) -> str:
    latencies = [one.latency * 1000 for one in samples]
    failed = sum(not one.succeeded for one in samples)
    shown = "  ".join(f"{name} {percentile(latencies, share):8.1f} ms" for name, share in SHARES.items())
    return f"{len(samples):6,} sent {failed:4,} failed  {shown}"


SHARES = {"median": 0.5, "p99": 0.99, "longest": 1.0}
