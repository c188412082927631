"""Probes, metrics and the state of things over HTTP."""

from html import escape
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.answers import private
from app.dependencies import Shop
from app.errors import NotFound
from app.paths import API
from app.problem_codes import CODES
from app.problems import problem_response
from app.routers.responses import problems
from app.services import health

probes = APIRouter(tags=["system"])
router = APIRouter(tags=["system"])


@probes.get("/healthz")
async def alive() -> dict[str, str]:
    """Tell that the process is alive."""
    return {"status": "alive"}


@probes.get("/readyz", responses=problems(503))
async def ready(
    request: Request,
    shop: Shop,
    draining: Annotated[Literal["404"] | None, Query(description="`404`: say 404 while draining, not 503")] = None,
) -> Response:
    """Tell whether this process takes requests: it has started and isn't draining. Says nothing of the database.

    A load balancer may ask to hear 404 from a replica that drains: HAProxy then sends it nothing new, and lets what
    it is doing finish.
    """
    if shop.draining and draining:
        raise NotFound("This replica is about to stop.")
    if shop.draining:
        return problem_response(
            code="overloaded",
            detail="This replica is about to stop.",
            path=request.url.path,
            request_id=request.scope["state"]["request_id"],
        )
    return Response(b'{"status":"ready"}', media_type="application/json")


@probes.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Return the process's metrics as Prometheus text."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@probes.get("/", include_in_schema=False)
async def front_door() -> Response:
    """Lead people to the API's pages."""
    return RedirectResponse(f"{API}/docs")


@probes.get("/docs/errors", include_in_schema=False)
async def errors() -> Response:
    """Say what each problem code means: where `type` of a problem leads."""
    rows = "".join(
        f'<tr id="{name}"><td><code>{name}</code><td>{code.status}'
        f"<td>{'yes' if code.retryable else ''}<td>{escape(code.meaning)}"
        for name, code in CODES.items()
    )
    head = "<tr><th>Code<th>Status<th>Again?<th>What it means"
    return HTMLResponse(f"<!doctype html><meta charset=utf-8><title>Errors</title><table>{head}{rows}</table>")


@router.get("/status", response_model=health.Status)
async def status(request: Request, shop: Shop) -> Response:
    """Tell how each dependency is, and what works meanwhile."""
    return private(request, await health.status_of(shop.settings, shop.database))
