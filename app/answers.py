"""Makes the answers that routers give: conditional reads, pages with links, and what a write stored."""

from typing import TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.conditional import PRIVATE, body_of, conditional, etag_of
from app.idempotency import Answer
from app.pagination import Page

T = TypeVar("T", bound=BaseModel)


def public(request: Request, model: BaseModel) -> Response:
    """Return a cacheable answer, or 304."""
    return conditional(request, body_of(model))


def public_page(request: Request, page: Page[T]) -> Response:
    """Return a cacheable page with a `Link` to the next one (RFC 8288)."""
    return conditional(request, body_of(page), headers=_links(request, page))


def private(request: Request, model: BaseModel) -> Response:
    """Return an answer for one person's eyes."""
    links = _links(request, model) if isinstance(model, Page) else {}
    headers = {"Cache-Control": PRIVATE, **links}
    return Response(body_of(model), media_type="application/json", headers=headers)


def written(model: BaseModel, *, status: int = 200, location: str | None = None, tagged: bool = True) -> Answer:
    """Return the answer to a write, ready to be stored under its idempotency key."""
    body = body_of(model)
    headers = {"Cache-Control": PRIVATE} | ({"ETag": etag_of(body)} if tagged else {})
    return Answer(status, headers | ({"Location": location} if location else {}), body)


def nothing(_: object = None) -> Answer:
    """Return the answer to a write that leaves nothing to show."""
    return Answer(204, {"Cache-Control": PRIVATE}, b"")


def response_of(answer: Answer) -> Response:
    """Return the answer as the framework sends it."""
    headers = answer.headers | ({"Idempotency-Replayed": "true"} if answer.replayed else {})
    return Response(
        answer.body or None,
        status_code=answer.status,
        media_type="application/json" if answer.body else None,
        headers=headers,
    )


def _links(request: Request, page: Page[T]) -> dict[str, str]:
    if page.page.next_cursor is None:
        return {}
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*others, ("cursor", page.page.next_cursor)])
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
