"""The least that uvicorn can serve: an ASGI callable with one finished body."""

import os
from pathlib import Path
from typing import Final

from starlette.types import Receive, Scope, Send

BODY: Final = Path(os.environ["BENCH_BODY"]).read_bytes()
HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(_: Scope, __: Receive, send: Send) -> None:
    """Answer."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
