import asyncio

import pytest

from app.errors import Overloaded
from app.turns import Turns


async def test_turns_come_in_order_and_only_who_waits_is_told_so() -> None:
    turns, seen, at_once = Turns(), list[tuple[int, bool]](), 0

    async def stand(number: int) -> None:
        nonlocal at_once
        async with turns.of(["stock b", "stock a"] if number % 2 else ["stock a", "stock b"], seconds=60) as waited:
            at_once += 1
            assert at_once == 1
            await asyncio.sleep(0)
            seen.append((number, waited))
            at_once -= 1

    await asyncio.gather(*(stand(number) for number in range(5)))

    assert seen == [(0, False), (1, True), (2, True), (3, True), (4, True)]
    assert not turns._locks


async def test_other_names_do_not_wait() -> None:
    turns = Turns()

    async with turns.of(["stock a"], seconds=60), turns.of(["stock b"], seconds=60) as waited, turns.of([], seconds=60):
        assert not waited


async def test_who_waits_too_long_leaves_the_queue_and_all_it_held() -> None:
    turns = Turns()

    async with turns.of(["stock b"], seconds=60):
        with pytest.raises(Overloaded):
            async with turns.of(["stock a", "stock b"], seconds=0.01):
                pytest.fail("it isn't its turn")
        async with turns.of(["stock a"], seconds=60) as waited:
            assert not waited
