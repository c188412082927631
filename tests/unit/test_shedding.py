"""A replica refuses what is more than it may serve at once, and says when to come again."""

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from app.middleware import Gate
from app.settings import Settings

PLACES = 2


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.all_taken = asyncio.Event()
        self.served = 0

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        self.served += 1
        if self.served == PLACES:
            self.all_taken.set()
        if scope["path"] != "/readyz":
            await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_more_than_there_are_places_for_is_refused_at_once_and_not_begun(settings: Settings) -> None:
    # given
    slow = Slow()
    gate = Gate(slow, settings=settings.model_copy(update={"max_concurrent_requests": PLACES}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://shop") as client:
        async with asyncio.TaskGroup() as tasks:
            served = [tasks.create_task(client.get("/api/v1/cart")) for _ in range(PLACES)]
            await slow.all_taken.wait()

            # when
            refused = await client.post("/api/v1/orders", json={})
            health = await client.get("/readyz")
            begun = slow.served
            slow.may_answer.set()

        # then
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "overloaded", "1")
        assert health.status_code == 200
        assert begun == PLACES + 1  # the last is the health check
        assert [one.result().status_code for one in served] == [200] * PLACES

        # then there is room again
        assert (await client.get("/api/v1/cart")).status_code == 200
