import asyncio

import pytest

from app.cache.flights import Flights


class Work:
    """Counts its runs, and lands when told."""

    def __init__(self) -> None:
        self.begun = 0
        self.land = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        await self.land.wait()
        return mine


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_during_a_run_shares_the_next_one() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    first = asyncio.create_task(flights.join("k", work))
    await _settle()
    later = [asyncio.create_task(flights.join("k", work)) for _ in range(20)]
    await _settle()
    begun_while_running = work.begun

    work.land.set()

    assert begun_while_running == 1
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 20


async def test_who_knows_the_running_one_to_be_fresh_joins_it() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    first = asyncio.create_task(flights.join("k", work))
    await _settle()
    second = asyncio.create_task(flights.join("k", work, running_will_do=True))
    await _settle()

    work.land.set()

    assert (await first, await second) == (1, 1)


async def test_a_caller_that_gives_up_takes_nobody_with_it() -> None:
    flights: Flights[int] = Flights()
    work = Work()
    first = asyncio.create_task(flights.join("k", work))
    await _settle()
    second = asyncio.create_task(flights.join("k", work, running_will_do=True))
    await _settle()

    first.cancel()
    work.land.set()

    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_everybody_hears_of_a_failure_and_the_next_run_is_a_new_one() -> None:
    flights: Flights[int] = Flights()

    async def fail() -> int:
        raise LookupError("no such book")

    with pytest.raises(LookupError):
        await flights.join("k", fail)
    work = Work()
    work.land.set()
    assert await flights.join("k", work) == 1
