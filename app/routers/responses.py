"""Says in the OpenAPI document which problems an endpoint may answer."""

from http import HTTPStatus
from typing import Any, Final

from app.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_TAG: Final = {"ETag": {"description": "For `If-None-Match`", "schema": {"type": "string"}}}
_KEPT: Final = _TAG | {"Cache-Status": {"description": "Who answered (RFC 9211)", "schema": {"type": "string"}}}
_NEXT: Final = {"Link": {"description": '`rel="next"`, where there is more', "schema": {"type": "string"}}}
_SCHEMA: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problems(*statuses: int) -> Responses:
    """Return the documentation of problem documents with these statuses."""
    return {status: {"description": HTTPStatus(status).phrase, "content": _SCHEMA} for status in statuses}


def links(parameter: str, *operations: str) -> dict[str, Any]:
    """Return OpenAPI links from what was made to what can be done with it, as it was made (its ETag)."""
    return {
        operation: {
            "operationId": operation,
            "parameters": {f"path.{parameter}": "$response.body#/id", "header.If-Match": "$response.header.ETag"},
        }
        for operation in operations
    }


EVERYWHERE: Final = problems(400, 404, 405, 422, 429, 500, 503, 504)
_UNCHANGED: Final[Responses] = {304: {"description": "Not modified", "headers": _TAG}}
READ: Final = problems(404) | _UNCHANGED | {200: {"headers": _KEPT}}
LISTED: Final = problems(400) | _UNCHANGED | {200: {"headers": _KEPT | _NEXT}}
STAFF_READ: Final = problems(401, 403)
STAFF_WRITE: Final = problems(401, 403, 413, 415)
GUARDED: Final = STAFF_WRITE | problems(404, 412, 428)
CART_READ: Final = problems(401, 403, 404)
CART_WRITE: Final = problems(401, 403, 404, 412, 413, 415)
ORDER_READ: Final = problems(401, 403, 404)
ORDER_WRITE: Final = problems(401, 403, 404, 409, 413, 415)
