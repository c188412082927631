"""A replica that is to be restarted, and what HAProxy says of the others meanwhile."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stack.child import Child
from stack.errors import StackError
from stack.probes import log_says
from stack.processes import ProcessSpec
from stack.profile import Profile
from stack.rolling import restart_replica
from tests.stack.conditions import eventually

REPLICA = """
import signal
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, _: print(signal.Signals(number).name, flush=True))
print("it serves", flush=True)
while True:
    signal.pause()
"""


@asynccontextmanager
async def a_replica(log: Path) -> AsyncIterator[Child]:
    command = (sys.executable, "-c", REPLICA)
    ready = log_says(log, "it serves")
    spec = ProcessSpec(
        name="api-1", kind="api", command=command, port=None, log=log, ready=ready, environment=dict(os.environ)
    )
    child = Child(spec, on_change=lambda _: None)
    await child.start()
    try:
        await child.wait_ready(seconds=60)
        yield child
    finally:
        await child.stop()


@asynccontextmanager
async def a_balancer(socket: Path, *views: dict[str, str]) -> AsyncIterator[None]:
    """Say of the replicas what stands in the first view, then in the second, and in the last from then on."""
    left = list(views)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"show stat\n"
        view = left.pop(0) if len(left) > 1 else left[0]
        rows = "".join(f"api,{name},{status},0\n" for name, status in view.items())
        writer.write(f"# pxname,svname,status,scur\n{rows}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path=socket)
    try:
        yield
    finally:
        server.close()


async def test_a_replica_whose_others_went_down_while_it_drained_serves_on(profile: Profile) -> None:
    # given
    profile.make_folders()
    log = profile.logs / "api-1.log"
    whole = {"api-1": "UP", "api-2": "UP", "api-3": "UP"}
    alone = {"api-1": "NOLB", "api-2": "DOWN", "api-3": "DOWN"}
    async with a_replica(log) as child, a_balancer(profile.runtime_socket, whole, alone):
        before = child.pid

        # when
        with pytest.raises(StackError) as refused:
            await restart_replica(child, profile=profile, seconds=1)

        # then
        assert (
            str(refused.value) == "HAProxy sees no other replica up than api-1, which serves on; see ./bookstore status"
        )
        await asyncio.to_thread(eventually, lambda: "SIGUSR2" in log.read_text(), what="serving on")
        assert child.pid == before


async def test_a_replica_serves_on_where_the_balancer_gives_no_answer_any_more(profile: Profile) -> None:
    # given
    profile.make_folders()
    log = profile.logs / "api-1.log"
    async with a_replica(log) as child, a_balancer(profile.runtime_socket, {"api-2": "UP"}, {"api-2": "UP"}):
        before = child.pid

        # when
        with pytest.raises(StackError, match="HAProxy knows no server api-1"):
            await restart_replica(child, profile=profile, seconds=1)

        # then
        await asyncio.to_thread(eventually, lambda: "SIGUSR2" in log.read_text(), what="serving on")
        assert child.pid == before
