"""Turns errors into problem documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.database import as_domain_error
from app.errors import SOME_FIELDS, BookstoreError, FieldError, PreconditionFailed, RateLimited, json_pointer
from app.ids import OrderId, PaymentId
from app.money import Money
from app.problem_codes import CODES
from app.telemetry import logger
from app.wording import sentence_of

MEDIA_TYPE: Final = "application/problem+json"

_CODE_OF_FRAMEWORK_STATUS: Final = {
    400: "malformed_json",  # FastAPI's, for a body that only its own parser refuses
    404: "not_found",
    405: "method_not_allowed",
}

_OF_TOKENS: Final = frozenset({"invalid_token", "token_revoked"})
"""What is wrong with a token that was sent, which RFC 6750 calls `invalid_token`."""

_MAX_FIELDS: Final = 100
"""More fields at fault than these help nobody: a small body mustn't make a large answer."""


class ProblemField(BaseModel):
    """One field at fault."""

    pointer: str = Field(description="RFC 6901 pointer into the body, or `?name` for a parameter")
    code: str
    detail: str


class Problem(BaseModel):
    """What went wrong, for people and for programs."""

    type: str = Field(examples=["/docs/errors#not_found"])
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(examples=["not_found"])
    request_id: str
    retryable: bool = Field(description="Whether the same request may succeed when sent again")
    errors: list[ProblemField] | None = None
    lines: list[dict[str, Any]] | None = Field(
        None,
        description="`insufficient_stock`: the short lines, each with `available` and `requested`; `price_changed`:"
        " those with another price",
    )
    allowed: list[str] | None = Field(None, description="`invalid_transition`: where the order can go from where it is")
    refundable: Money | None = Field(None, description="`refund_exceeds_captured`: what is left to give back")
    decline_code: str | None = Field(None, description="`payment_declined`: why, in the gateway's word")
    order_id: OrderId | None = Field(None, description="`payment_declined`: the order, which waits for another payment")
    payment_id: PaymentId | None = Field(None, description="`payment_declined`: the order's payment")


def problem_response(
    *,
    code: str,
    detail: str,
    path: str,
    request_id: str,
    fields: Sequence[FieldError] = (),
    data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem document for a code of the table."""
    status = CODES[code].status
    document: dict[str, Any] = {
        "type": f"/docs/errors#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        "request_id": request_id,
        "retryable": CODES[code].retryable,
        **(data or {}),
    }
    if fields:
        document["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in fields[:_MAX_FIELDS]]
    out = {"Cache-Control": "no-store", **(headers or {})}
    if status == HTTPStatus.UNAUTHORIZED:
        out["WWW-Authenticate"] = 'Bearer realm="bookstore"' + (', error="invalid_token"' if code in _OF_TOKENS else "")
    if CODES[code].retryable:
        out.setdefault("Retry-After", "1")
    return Response(orjson.dumps(document), status_code=status, media_type=MEDIA_TYPE, headers=out)


def _respond(request: Request, error: BookstoreError, headers: Mapping[str, str] | None = None) -> Response:
    extra: dict[str, str] = {}
    if isinstance(error, PreconditionFailed):
        extra = {"ETag": error.etag}
    elif isinstance(error, RateLimited):
        extra = {"Retry-After": str(error.retry_after), **error.told}
    return problem_response(
        code=error.code,
        detail=error.detail,
        path=request.scope.get("original_path", request.url.path),
        request_id=request.scope["state"]["request_id"],
        fields=error.fields,
        data=error.data,
        headers={**extra, **(headers or {})},
    )


def _pointer(location: Sequence[str | int]) -> str:
    where, *rest = location
    if where == "body":
        return json_pointer(rest)
    return f"?{'.'.join(map(str, rest))}" if where == "query" else f"{where}:{'.'.join(map(str, rest))}"


class _Refusal(BookstoreError):
    """A refusal of the framework's own, under one of our codes."""

    def __init__(self, code: str, detail: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.code = code  # type: ignore[misc]  # the one class whose code is known per instance
        self.fields = fields


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    @app.exception_handler(BookstoreError)
    async def _domain(request: Request, error: BookstoreError) -> Response:
        return _respond(request, error)

    @app.exception_handler(PyMongoError)
    async def _database(request: Request, error: PyMongoError) -> Response:
        logger.warning("database error", extra={"error": type(error).__name__, "detail": str(error)[:500]})
        return _respond(request, as_domain_error(error))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        fields = [FieldError(_pointer(e["loc"]), e["type"], sentence_of(e)) for e in error.errors()]
        if any(e["type"] == "json_invalid" for e in error.errors()):
            return _respond(request, _Refusal("malformed_json", "The body is not valid JSON."))
        return _respond(request, _Refusal("validation_error", SOME_FIELDS, fields))

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> Response:
        code = _CODE_OF_FRAMEWORK_STATUS.get(error.status_code, "internal_error")
        detail = {
            "not_found": "There is nothing at this path.",
            "malformed_json": "The body can't be read as JSON.",
            "method_not_allowed": "This path doesn't know that method; see Allow.",
        }.get(code, str(error.detail))
        return _respond(request, _Refusal(code, detail), error.headers)
