"""Gives every path an answer to every method: OPTIONS says which it knows, and so do the refusals of the others."""

from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_REFUSABLE: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT")


def complete(app: FastAPI) -> None:
    """Add what the documented paths lack; call it when every router is in.

    A path without parameters is closed before all others: `PUT /books/search` is no book with the id `search`.
    The gate turns HEAD into GET, so a path that knows one knows both.
    """
    for path, operations in app.openapi()["paths"].items():
        known = [method for method in _REFUSABLE if method.lower() in operations]
        allow = ", ".join(known[:1] + ["HEAD"] * ("GET" in known) + known[1:] + ["OPTIONS"])
        refused = [method for method in _REFUSABLE if method not in known]
        route = _route(path, methods=[*refused, "OPTIONS"], allow=allow)
        if "{" in path:
            app.router.routes.append(route)
        else:
            app.router.routes.insert(0, route)


def _route(path: str, *, methods: list[str], allow: str) -> Route:
    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allow, "Cache-Control": "no-store"})
        raise HTTPException(405, headers={"Allow": allow})

    return Route(path, answer, methods=methods, include_in_schema=False)
