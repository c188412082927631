"""An ASGI callable that answers with one document, by PyMongo's `find_one` and nothing else."""

import os
from typing import Any, Final

import orjson
from pymongo import AsyncMongoClient
from starlette.types import Receive, Scope, Send

from app.models.book import PUBLIC_FIELDS

CLIENT: Final[AsyncMongoClient[dict[str, Any]]] = AsyncMongoClient(os.environ["BENCH_MONGO"])
BOOKS: Final = CLIENT[os.environ["BOOKSTORE_MONGO_DATABASE"]]["books"]


async def app(scope: Scope, _: Receive, send: Send) -> None:
    """Answer with the book whose id ends the path."""
    body = orjson.dumps(await BOOKS.find_one({"_id": scope["path"].rpartition("/")[2]}, PUBLIC_FIELDS))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
