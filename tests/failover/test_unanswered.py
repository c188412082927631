"""What an audit and the demos say where the databases or the gateway give no answer."""

import asyncio

import pytest

from stack.audit.evidence import gather
from stack.errors import StackError
from stack.load.audit import forget
from stack.load.shop import Shop
from stack.profile import throwaway_profile
from stack.replica_set import ReplicaSet
from stack.running import Stack
from stack.secrets import generate_secrets


async def test_an_audit_says_that_the_gateway_gives_no_answer(system: Stack) -> None:
    # given
    await asyncio.to_thread(system.fault, "kill", "stripe")

    # when
    try:
        with pytest.raises(StackError, match="the audit can't read the payment gateway's ledger; ") as refused:
            await gather(system)
    finally:
        await asyncio.to_thread(system.fault, "restart", "stripe")

    # then
    assert "see ./bookstore status" in str(refused.value)


async def test_a_demo_says_that_the_primary_gives_no_answer(system: Stack) -> None:
    # given somebody whom it doesn't know
    stranger = ReplicaSet(ports=system.profile.ports.mongo, secrets=generate_secrets())

    # then
    with pytest.raises(StackError, match=r"the primary doesn't say when it was elected; .*Authentication failed"):
        await stranger.last_election()


async def test_a_demo_says_that_no_node_gives_an_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    # given a system that doesn't run
    profile = throwaway_profile("nothing", folder=tmp_path_factory.mktemp("nothing") / "up", first_port=28500)

    # then
    with pytest.raises(StackError, match="the run's books can't be taken out of the shop; "):
        await forget(profile, Shop("mark", [], [], [], []))
