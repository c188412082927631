"""Asks in one go what many ask at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Collects the questions of one turn of the event loop: a busy process pays for one round trip, not for each.

    Nobody waits for others to come, unless a pause is asked for: whatever has been asked when the loop comes round
    goes out.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        at_most: int,
        pause: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take what answers up to `at_most` questions, in their order, and how long the first waits for others."""
        self._ask = ask
        self._at_most = at_most
        self._pause = pause
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Q) -> A:
        """Return the answer.

        Raises:
            Exception: what the asking raised, to everybody who asked then.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, answer))
        if len(self._waiting) == 1:
            seconds = self._pause()
            if seconds > 0:
                loop.call_later(seconds, self._send)
            else:
                loop.call_soon(self._send)
        elif len(self._waiting) == self._at_most:
            self._send()
        return await answer

    def _send(self) -> None:
        asked, self._waiting = self._waiting, []
        if asked:
            task = asyncio.create_task(self._answer(asked))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _answer(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in asked])
        except Exception as error:  # noqa: BLE001  it is everybody's who asked
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
