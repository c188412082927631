"""Answers with strong ETags and honours `If-None-Match` and `If-Match` (RFC 9110, section 13)."""

import hashlib
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.errors import PreconditionFailed, PreconditionRequired

PUBLIC: Final = "public, max-age=0, must-revalidate"
_CODED: Final = "-gzip"
PRIVATE: Final = "private, no-store"


def etag_of(body: bytes, *, gzipped: bool = False) -> str:
    """Return the strong ETag of a representation: a digest of its bytes before compression, and how it is coded."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}{_CODED if gzipped else ""}"'


def body_of(model: BaseModel) -> bytes:
    """Return the bytes that represent the model."""
    return model.model_dump_json().encode()


def _tags(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]


def conditional(
    request: Request, body: bytes, *, headers: Mapping[str, str] | None = None, etag: str | None = None
) -> Response:
    """Return 200 with the JSON body and its ETag, or 304 where the client has it already."""
    tag = etag or etag_of(body)
    fields = {"ETag": tag, "Cache-Control": PUBLIC, **(headers or {})}
    known = _tags(",".join(request.headers.getlist("if-none-match")))
    # Compared weakly (13.1.2): a proxy that compresses an answer makes its ETag weak.
    if known == ["*"] or tag in (one.removeprefix("W/") for one in known):
        return Response(status_code=304, headers=fields)
    return Response(body, media_type="application/json", headers=fields)


def require_match(if_match: str | None, current: str) -> None:
    """Let a change go on only where the client saw the current representation.

    Raises:
        PreconditionRequired: no `If-Match` came.
        PreconditionFailed: it names another representation, or this one weakly: tags are compared strongly (13.1.1).
    """
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag that you last saw.")
    # Who saw it compressed saw it.
    tags = _tags(if_match.replace(f'{_CODED}"', '"'))
    if tags != ["*"] and current not in tags:
        raise PreconditionFailed("It was changed in the meantime; look again and repeat your change.", etag=current)
