"""An ASGI callable that answers with what one Redis GET gives."""

import os
from typing import Final

from redis.asyncio import Redis
from starlette.types import Receive, Scope, Send

REDIS: Final[Redis] = Redis.from_url(os.environ["BENCH_REDIS"])


async def app(scope: Scope, _: Receive, send: Send) -> None:
    """Answer with what is kept under the path."""
    body: bytes = await REDIS.get(scope["path"])  # type: ignore[assignment]  # always there, and never decoded
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
