"""Makes the answers that routers give: conditional reads, pages with links, and what a write stored."""

import gzip
from collections.abc import Awaitable, Callable
from operator import itemgetter
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.cache.invalidation import EDGE_MAX_AGE_SECONDS
from app.cache.reading import Answered, CachedReads, Miss, Rendered
from app.conditional import PRIVATE, body_of, conditional, etag_of
from app.idempotency import Answer
from app.pagination import Page

_MISS: Final = "bookstore.miss"
_KEEP_AT_EDGE: Final = f"max-age={EDGE_MAX_AGE_SECONDS}"
_WORTH_COMPRESSING: Final = 860
"""Bytes: smaller bodies fit into one packet anyway."""


class Public:
    """Answers one public read of the catalogue: from the cache, or built and kept there."""

    def __init__(self, request: Request, reads: CachedReads) -> None:
        """Take the request and what stands behind it."""
        self._request = request
        self._reads = reads
        self._gzipped = accepts_gzip(request.headers.get("accept-encoding", ""))

    async def __call__(self, name: str, build: Callable[[], Awaitable[BaseModel]]) -> Response:
        """Return the answer kept under the name for this request's path and query, or 304 where the client has it."""
        kept = await self._look(name)
        if isinstance(kept, Answered):
            return self._response(kept)

        async def rendered() -> Rendered:
            model = await build()
            links = _links(self._request, model) if isinstance(model, Page) else {}
            return _encoded(body_of(model), links | {"Vary": "Accept-Encoding"}, gzipped=self._gzipped)

        return self._response(await self._reads.fill(kept, rendered))

    async def kept(self, name: str) -> Response | None:
        """Return the answer if it is kept; else note the miss on the request, so that nobody looks a second time."""
        kept = await self._look(name)
        if isinstance(kept, Answered):
            return self._response(kept)
        self._request.scope[_MISS] = kept
        return None

    async def _look(self, name: str) -> Answered | Miss:
        variant = self._variant()
        noted: Miss | None = self._request.scope.get(_MISS)
        if noted is not None and (noted.name, noted.variant) == (name, variant):
            return noted
        return await self._reads.kept(name, variant)

    def _variant(self) -> str:
        # The path came decoded: its own question marks must not look like ours.
        asked = quote(self._request.scope["path"])
        if self._request.scope["query_string"]:
            # By name alone: of a scalar that is repeated the last value counts.
            asked += f"?{urlencode(sorted(self._request.query_params.multi_items(), key=itemgetter(0)))}"
        return f"gzip {asked}" if self._gzipped else asked

    def _response(self, answered: Answered) -> Response:
        rendered = answered.rendered
        told = {"Cache-Status": answered.cache_status, "CDN-Cache-Control": _KEEP_AT_EDGE}
        return conditional(self._request, rendered.body, etag=rendered.etag, headers=rendered.headers | told)


def accepts_gzip(header: str) -> bool:
    """Tell whether an `Accept-Encoding` (RFC 9110, section 12.5.3) lets us answer with gzip."""
    for part in header.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _encoded(body: bytes, headers: dict[str, str], *, gzipped: bool) -> Rendered:
    # Compressed here and not by HAProxy, which would weaken the ETag and leave what it caches as it is.
    if not gzipped or len(body) < _WORTH_COMPRESSING:
        return Rendered(body, etag_of(body), headers)
    return Rendered(
        gzip.compress(body, compresslevel=5, mtime=0),
        etag_of(body, gzipped=True),
        headers | {"Content-Encoding": "gzip"},
    )


def private(request: Request, model: BaseModel) -> Response:
    """Return an answer for one person's eyes."""
    links = _links(request, model) if isinstance(model, Page) else {}
    headers = {"Cache-Control": PRIVATE, **links}
    return Response(body_of(model), media_type="application/json", headers=headers)


def tagged(model: BaseModel) -> Response:
    """Return an answer for one person's eyes, with the ETag that a change of it can name in `If-Match`."""
    body = body_of(model)
    return Response(body, media_type="application/json", headers={"Cache-Control": PRIVATE, "ETag": etag_of(body)})


def written(model: BaseModel, *, status: int = 200, location: str | None = None, tagged: bool = True) -> Answer:
    """Return the answer to a write, ready to be stored under its idempotency key."""
    body = body_of(model)
    headers = {"Cache-Control": PRIVATE} | ({"ETag": etag_of(body)} if tagged else {})
    return Answer(status, headers | ({"Location": location} if location else {}), body)


def nothing(_: object = None, *, status: int = 204) -> Answer:
    """Return the answer to a write that leaves nothing to show."""
    return Answer(status, {"Cache-Control": PRIVATE}, b"")


def response_of(answer: Answer) -> Response:
    """Return the answer as the framework sends it."""
    headers = answer.headers | ({"Idempotency-Replayed": "true"} if answer.replayed else {})
    return Response(
        answer.body or None,
        status_code=answer.status,
        media_type="application/json" if answer.body else None,
        headers=headers,
    )


def _links(request: Request, page: Page[Any]) -> dict[str, str]:
    if page.page.next_cursor is None:
        return {}
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*others, ("cursor", page.page.next_cursor)])
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
