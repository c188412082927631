"""The kind of route that endpoints are, but those that read a body by themselves."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


class Route(APIRoute):
    """A route that refuses fields in the body of a request that takes none, which FastAPI would ignore.

    Whoever sends an amount means something by it; an empty object, which some clients always send, means nothing.
    It is refused before anybody looks who asks.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()
        if self.body_field is not None or self.methods == {"GET"}:
            return answer

        async def refuse_or_answer(request: Request) -> Response:
            sent = orjson.loads(await request.body() or b"null")
            if sent:
                unknown = [("body", name) for name in sent] if isinstance(sent, dict) else [("body",)]
                raise RequestValidationError([{"type": "extra_forbidden", "loc": place} for place in unknown])
            return await answer(request)

        return refuse_or_answer
