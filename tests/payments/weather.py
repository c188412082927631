"""Stands between the shop and the payment gateway, and makes bad weather: a proxy that breaks what it is told to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from aiohttp import ClientSession, web


class Fault(StrEnum):
    """What happens to one request."""

    LOST_ANSWER = "it is done, and the connection dies before the answer"
    SILENCE = "it is done, and no answer comes"
    CONFLICT = "409: another request with this key is on its way"
    TOO_MANY = "429"
    BROKEN = "500, which is kept under the key, and nothing was done"
    BROKEN_LATE = "500, which is kept under the key, and it was done"
    UNAVAILABLE = "503 from a box on the way"
    GARBAGE = "200 that isn't JSON, and it was done"
    DOWN = "the connection dies, and nothing was done"


_STATUS = {Fault.CONFLICT: 409, Fault.TOO_MANY: 429, Fault.BROKEN: 500, Fault.BROKEN_LATE: 500, Fault.UNAVAILABLE: 503}
_KEPT = frozenset({Fault.BROKEN, Fault.BROKEN_LATE})
_REPLAYED = "Idempotent-Replayed"
_DONE = frozenset({Fault.LOST_ANSWER, Fault.SILENCE, Fault.BROKEN_LATE, Fault.GARBAGE})


@dataclass
class Weather:
    """The proxy: `strike` faults requests to come; without `keeps_keys` the gateway never sees an idempotency key."""

    target: str
    url: str = ""
    keeps_keys: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    _broken: dict[str, Fault] = field(default_factory=dict)
    _plan: list[tuple[str, Fault]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _holding: dict[str, asyncio.Event] = field(default_factory=dict)

    def strike(self, what: str, fault: Fault, *, times: int = 1) -> None:
        """Fault the next requests whose path ends like this (`confirm`, `refunds`, …), or any for `""`."""
        self._plan += [(what, fault)] * times

    def clear(self) -> None:
        """Fair weather from now on."""
        self._plan.clear()

    def hold(self, what: str) -> asyncio.Event:
        """Keep requests whose path ends like this waiting until the event is set."""
        return self._holding.setdefault(what, asyncio.Event())

    async def until_asked(self, what: str) -> None:
        """Wait until the gateway was asked for this."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.asked[what] > 0)

    async def until_done(self, what: str, *, times: int = 1) -> None:
        """Wait until the gateway has done this so many times."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.done[what] >= times)

    async def __aenter__(self) -> Self:
        self._session = ClientSession()
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._pass)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        for event in self._holding.values():
            event.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        what = request.path.rpartition("/")[2]
        body = await request.read()
        async with self._changed:
            self.asked[what] += 1
            self._changed.notify_all()
        for ending, event in self._holding.items():
            if what == ending:
                await event.wait()
        key = request.headers.get("Idempotency-Key") if self.keeps_keys else None
        if key in self._broken:
            said = {"error": {"message": str(self._broken[key])}}
            return web.json_response(said, status=500, headers={_REPLAYED: "true"})
        fault = self._next_fault(what)
        if key is not None and fault in _KEPT:
            self._broken[key] = fault
        if fault is None or fault in _DONE:
            answer = await self._forward(request, body, what)
            if fault is None:
                return answer
        match fault:
            case Fault.LOST_ANSWER | Fault.DOWN:
                assert request.transport is not None
                request.transport.abort()
            case Fault.SILENCE:
                await self._over.wait()
            case Fault.GARBAGE:
                return web.Response(text="<html>Welcome to the hotel's wireless network</html>")
        return web.json_response({"error": {"message": str(fault)}}, status=_STATUS.get(fault, 500))

    def _next_fault(self, what: str) -> Fault | None:
        for number, (ending, fault) in enumerate(self._plan):
            if ending in {"", what}:
                del self._plan[number]
                return fault
        return None

    async def _forward(self, request: web.Request, body: bytes, what: str) -> web.Response:
        dropped = {"host", "content-length", "transfer-encoding"} | (set() if self.keeps_keys else {"idempotency-key"})
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        url = self.target + request.path_qs
        async with self._session.request(request.method, url, data=body or None, headers=headers) as reply:
            told = {_REPLAYED: "true"} if _REPLAYED in reply.headers else None
            body = await reply.read()
            answer = web.Response(body=body, status=reply.status, content_type="application/json", headers=told)
        async with self._changed:
            self.done[what] += 1
            self._changed.notify_all()
        return answer


@asynccontextmanager
async def weather_over(target: str) -> AsyncIterator[Weather]:
    """Run a proxy in front of the gateway."""
    async with Weather(target) as weather:
        yield weather
