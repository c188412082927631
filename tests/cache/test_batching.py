import asyncio
from collections.abc import Sequence

import pytest

from app.cache.batching import Together


async def test_what_is_asked_in_one_turn_of_the_loop_is_asked_at_once() -> None:
    # given
    asked: list[list[int]] = []

    async def double(numbers: Sequence[int]) -> list[int]:
        asked.append(list(numbers))
        return [2 * number for number in numbers]

    doubled = Together(double, at_most=3)

    # when
    answers = await asyncio.gather(*(doubled(number) for number in range(5)))
    alone = await doubled(7)

    # then
    assert answers == [0, 2, 4, 6, 8]
    assert alone == 14
    assert asked == [[0, 1, 2], [3, 4], [7]]


async def test_a_failure_reaches_everybody_who_asked_and_nobody_after_them() -> None:
    # given
    failing = True

    async def answer(questions: Sequence[str]) -> Sequence[str]:
        if failing:
            raise ConnectionError("gone")
        return questions

    together = Together(answer, at_most=10)

    # when
    outcomes = await asyncio.gather(together("a"), together("b"), return_exceptions=True)
    failing = False

    # then
    assert [type(outcome) for outcome in outcomes] == [ConnectionError, ConnectionError]
    assert await together("c") == "c"


async def test_who_gives_up_takes_no_answer_from_the_others() -> None:
    # given
    released = asyncio.Event()

    async def echo(questions: Sequence[str]) -> Sequence[str]:
        await released.wait()
        return questions

    together = Together(echo, at_most=10)
    impatient, patient = asyncio.create_task(together("a")), asyncio.create_task(together("b"))
    await asyncio.sleep(0)

    # when
    impatient.cancel()
    released.set()

    # then
    assert await patient == "b"
    with pytest.raises(asyncio.CancelledError):
        await impatient
