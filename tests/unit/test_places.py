import asyncio

import pytest

from app.errors import Overloaded
from app.places import Places


async def test_no_more_work_at_once_than_there_are_places_and_all_come_in_order() -> None:
    places, at_work, most, seen = Places(2), 0, 0, list[int]()

    async def work(number: int) -> None:
        nonlocal at_work, most
        async with places.one(patience=60):
            seen.append(number)
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(work(number) for number in range(7)))

    assert (most, seen) == (2, list(range(7)))


async def test_who_waits_too_long_goes_away_and_leaves_no_place_taken() -> None:
    places = Places(1)

    async with places.one(patience=60):
        with pytest.raises(Overloaded):
            async with places.one(patience=0.01):
                pytest.fail("there is no place")

    async with places.one(patience=60):
        pass


async def test_what_breaks_at_its_place_leaves_it() -> None:
    places = Places(1)

    with pytest.raises(ZeroDivisionError):
        async with places.one(patience=60):
            raise ZeroDivisionError

    async with places.one(patience=60):
        pass
