import asyncio
import dataclasses
import os
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from bench.serving import free_ports
from stack.leftovers import left_processes
from stack.priority import PROMISED_NICE
from stack.profile import throwaway_profile
from stack.rolling import Balancer
from stack.running import Stack, running_stack
from tests.factories.certificates import self_signed
from tests.stack.command import bookstore
from tests.stack.conditions import eventually

_CAP_SYS_NICE = 23


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "shop.pem")


@pytest.fixture(scope="module")
async def system(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("whole") / "system"
    whole = throwaway_profile("whole", folder=folder, first_port=24000)
    profile = dataclasses.replace(
        whole,
        starter_books=False,
        ports=dataclasses.replace(whole.ports, tls=free_ports(1)[0]),
        certificate=str(certificate),
    )
    async with running_stack(profile) as stack:
        yield stack
    assert left_processes(folder) == []


def rows(stack: Stack) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in stack.status()["processes"]}


def with_role(stack: Stack, role: str) -> list[str]:
    return [name for name, row in rows(stack).items() if row["role"] == role]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def session_nice(pid: int) -> int | None:
    """How far its session steps back; None where the kernel knows no such groups."""
    group = Path(f"/proc/{pid}/autogroup")
    return int(group.read_text().rpartition(" nice ")[2]) if group.exists() else None


def listening_addresses(ports: set[int]) -> set[str]:
    """Who may reach these ports, as /proc writes addresses: 0100007F is 127.0.0.1."""
    tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    found = (line.split()[1:4] for line in tables.splitlines() if " 0A " in line)
    locals_ = (local.split(":") for local, _, state in found if state == "0A")
    return {address for address, port in locals_ if int(port, 16) in ports}


async def test_everything_runs_with_one_primary(system: Stack) -> None:
    # when
    eventually(lambda: len(with_role(system, "secondary")) == 2, what="two secondaries")
    status = system.status()

    # then
    assert [row["name"] for row in status["processes"]] == [
        *("mongo-1", "mongo-2", "mongo-3", "redis-cache", "redis-broker", "api-1", "api-2", "api-3"),
        *("worker", "worker-money", "beat", "relay", "haproxy", "stripe", "mail"),
    ]
    assert {row["state"] for row in status["processes"]} == {"running"}
    assert len(with_role(system, "primary")) == 1


async def test_a_restart_names_the_process_that_was_meant(system: Stack) -> None:
    # given
    eventually(lambda: len(with_role(system, "primary")) == 1, what="a primary")
    [primary] = with_role(system, "primary")
    profile = {"BOOKSTORE_STATE": str(system.profile.folder.parent), "BOOKSTORE_PROFILE": system.profile.folder.name}

    # when
    answer = await asyncio.to_thread(bookstore, "restart", "primary", **profile)

    # then
    assert (answer.returncode, answer.stdout) == (0, f"{primary}: restarted\n")


async def test_what_keeps_promises_goes_first_where_the_processors_are_all_taken(system: Stack) -> None:
    for row in rows(system).values():
        nice = PROMISED_NICE if row["kind"] == "celery" and _may_go_first() else 0
        assert os.getpriority(os.PRIO_PROCESS, row["pid"]) - os.getpriority(os.PRIO_PROCESS, 0) == nice
        assert session_nice(row["pid"]) in {nice, None}


def _may_go_first() -> bool:
    [granted] = re.findall(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return bool(int(granted, 16) >> _CAP_SYS_NICE & 1)


async def test_a_certificate_makes_it_speak_tls(system: Stack, certificate: Path) -> None:
    # given
    context = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(base_url=system.profile.tls_url or "", verify=context, timeout=30) as client:
        # when
        answer = await client.get("/api/v1/books")

    # then
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_renewed_certificate_is_served_after_a_restart(system: Stack, certificate: Path) -> None:
    # given
    self_signed(certificate)
    context = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(base_url=system.profile.tls_url or "", verify=context, timeout=30) as client:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await client.get("/api/v1/books")

        # when
        await asyncio.to_thread(system.fault, "restart", "haproxy")

        # then
        assert (await client.get("/api/v1/books")).status_code == 200


@asynccontextmanager
async def clients_who_ask(system: Stack) -> AsyncIterator[Counter[int | str]]:
    """Ask all the time, and count the answers; POST, so that the balancer may not try twice for them."""
    outcomes: Counter[int | str] = Counter()
    done = asyncio.Event()

    async def keep_asking(client: httpx.AsyncClient) -> None:
        while not done.is_set():
            try:
                answer = await client.post("/api/v1/books/batch-get", json={"ids": ["bk_01ARZ3NDEKTSV4RRFFQ69G5FAV"]})
                outcomes[answer.status_code] += 1
            except httpx.HTTPError as error:
                outcomes[repr(error)] += 1

    async with httpx.AsyncClient(base_url=system.url, timeout=30) as client:
        clients = [asyncio.create_task(keep_asking(client)) for _ in range(8)]
        try:
            yield outcomes
        finally:
            done.set()
            await asyncio.gather(*clients)


async def test_rolling_restart_fails_no_request(system: Stack) -> None:
    # given
    before = {name: row["pid"] for name, row in rows(system).items() if row["kind"] == "api"}

    # when
    async with clients_who_ask(system) as outcomes:
        for replica in before:
            await asyncio.to_thread(system.restart_gently, replica)

    # then
    after = {name: row["pid"] for name, row in rows(system).items() if row["kind"] == "api"}
    assert set(outcomes) == {200}, outcomes
    assert all(after[name] not in {None, pid} for name, pid in before.items())


async def test_two_restarts_at_once_take_turns(system: Stack) -> None:
    # given
    before = {name: rows(system)[name]["pid"] for name in ("api-1", "api-2")}
    await asyncio.to_thread(system.fault, "kill", "api-3")
    # When HAProxy finds a replica dead, it ends what it was about to send there and may not send twice.
    balancer = Balancer(system.profile.runtime_socket)
    async with asyncio.timeout(60):
        while await balancer.is_up("api-3"):
            await asyncio.sleep(0.1)

    # when
    try:
        async with clients_who_ask(system) as outcomes:
            await asyncio.gather(*(asyncio.to_thread(system.restart_gently, name) for name in before))
    finally:
        await asyncio.to_thread(system.fault, "restart", "api-3")

    # then
    assert set(outcomes) == {200}, outcomes
    assert all(rows(system)[name]["pid"] not in {None, pid} for name, pid in before.items())


async def test_primary_is_replaced_and_comes_back_by_the_same_word(system: Stack) -> None:
    # given
    [old] = with_role(system, "primary")

    # when
    killed = await asyncio.to_thread(system.fault, "kill", "primary")

    # then
    assert killed == old
    await asyncio.to_thread(eventually, lambda: with_role(system, "primary") not in ([], [old]), what="another primary")

    # when the word now means another process, `restart primary` still means the one that was killed
    restarted = await asyncio.to_thread(system.fault, "restart", "primary")

    # then
    assert restarted == old
    await asyncio.to_thread(eventually, lambda: len(with_role(system, "secondary")) == 2, what="its return")


async def test_killed_worker_leaves_no_pool_behind(system: Stack) -> None:
    # given
    parent = rows(system)["worker"]["pid"]
    pool = children(parent)
    assert len(pool) == 2

    # when
    await asyncio.to_thread(system.fault, "kill", "worker")

    # then
    assert [pid for pid in pool if lives(pid)] == []
    await asyncio.to_thread(system.fault, "restart", "worker")
    assert rows(system)["worker"]["state"] == "running"


async def test_the_payment_stand_in_keeps_its_ledger_over_a_restart(system: Stack) -> None:
    # given
    gateway = stripe.StripeClient(
        system.environment["STRIPE_API_KEY"], base_addresses={"api": system.environment["BOOKSTORE_STRIPE_API_BASE"]}
    )
    parameters: Any = {"amount": 1299, "currency": "usd", "allowed_payment_method_types": ["card"]}
    intent = await asyncio.to_thread(gateway.v1.payment_intents.create, parameters)

    # when
    await asyncio.to_thread(system.fault, "restart", "stripe")

    # then
    kept = await asyncio.to_thread(gateway.v1.payment_intents.retrieve, intent.id)
    assert (kept.amount, kept.currency, kept.status) == (1299, "usd", "requires_payment_method")


async def test_only_loopback_is_listened_on(system: Stack) -> None:
    # given
    ports = {row["port"] for row in rows(system).values() if row["port"]}

    # then
    assert listening_addresses(ports) == {"0100007F"}
