"""Stands around every request: its id, deadline, limits and measurements. Pure ASGI, so that nothing is copied."""

import asyncio
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import acting, clock
from app.ids import new_id
from app.paths import API
from app.problems import problem_response
from app.settings import Settings
from app.telemetry import IN_FLIGHT, REQUEST_ID, SHED, latency_of, logger, requests_of

MAX_JSON_BYTES: Final = 64 * 1024
MAX_JSON_DEPTH: Final = 32
"""Deeper than any body of ours; what walks a body recursively stays far from its limits."""

_WELL_FORMED_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{8,128}")
_JSON: Final = re.compile(rb"application/([a-z0-9!#$&^_.+-]+\+)?json")
"""JSON, or what is made of it (RFC 6838, section 4.2.8): what the framework reads as such, too."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9._/-]{1,200}")
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = _BODY_METHODS | _READS
_FORMS: Final = frozenset({f"{API}/auth/token"})
"""Where OAuth 2 wants a form (RFC 6749, section 4.3)."""

_UNLIMITED: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class Gate:
    """The outermost layer but for `Browsers`, which answers preflights itself: they have no id and are not counted."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Wrap the application."""
        self._app = app
        self._settings = settings
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, watch it, and answer in its place where it may not go on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send)
        token = REQUEST_ID.set(visit.request_id)
        try:
            if self._in_flight >= self._settings.max_concurrent_requests and visit.path not in _UNLIMITED:
                SHED.inc()
                await visit.refuse("overloaded", "Too many requests at once; try again shortly.", receive)
                return
            self._in_flight += 1
            IN_FLIGHT.inc()
            with acting.request():
                await self._let_in(visit, receive)
        finally:
            REQUEST_ID.reset(token)

    async def _let_in(self, visit: "_Visit", receive: Receive) -> None:
        try:
            async with asyncio.timeout(self._settings.request_deadline_seconds):
                body = await _checked_body(visit, receive)
                if body is not None:
                    await self._app(visit.scope, body, visit.send)
        except TimeoutError:
            await visit.refuse("deadline_exceeded", "This took too long; the outcome is unknown.", receive)
        except Exception:  # noqa: BLE001  # the last one to see it: logged whole, answered as a problem
            logger.exception("unhandled error")
            await visit.refuse("internal_error", "Something broke on our side; we have a record of it.", receive)
        finally:
            self._in_flight -= 1
            IN_FLIGHT.dec()
            visit.record()
            visit.log()


class _Visit:
    """One request on its way through. HEAD goes through as GET, and its answer comes back without the body."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.started_at = clock.monotonic()
        self.method: str = scope["method"]
        self.scope = scope = {**scope, "method": "GET"} if self.method == "HEAD" else scope
        self.status: int | None = None
        self._send = send
        self.path: str = scope["path"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _WELL_FORMED_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = self.request_id
        if len(self.path) > 1 and self.path.endswith("/"):
            scope["original_path"] = self.path
            scope["path"] = self.path.rstrip("/") or "/"
            scope["raw_path"] = scope.get("raw_path", b"").rstrip(b"/")

    async def send(self, message: Message) -> None:
        """Pass a message on, with the request's id on the answer's head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self.request_id.encode())]
        elif self.method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)

    async def refuse(self, code: str, detail: str, receive: Receive) -> None:
        """Answer with a problem, unless an answer has begun."""
        if self.status is not None:
            return
        response = problem_response(code=code, detail=detail, path=self.path, request_id=self.request_id)
        await response(self.scope, receive, self.send)

    @property
    def _known_method(self) -> str:
        return self.method if self.method in _METHODS else "other"

    @property
    def _template(self) -> str:
        return getattr(self.scope.get("route"), "path", "none")

    def record(self) -> None:
        """Count and time the request under its route's template, so that neither ids nor made-up methods add series."""
        requests_of(self._known_method, self._template, self.status or 0).inc()
        latency_of(self._template).observe(clock.monotonic() - self.started_at)

    def log(self) -> None:
        """Say once how a request ended that may have changed something, or that failed: the reads are too many."""
        status = self.status or 0
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if self.method in _READS and not failed:
            return
        # Of the path only what has the form of ours: people type addresses anywhere.
        path = self.path if _PLAIN.fullmatch(self.path) else self._template
        told = {"method": self._known_method, "path": path, "status": status}
        took = round((clock.monotonic() - self.started_at) * 1000, 1)
        logger.log(logging.ERROR if failed else logging.INFO, "answered", extra=told | {"ms": took})


async def _checked_body(visit: _Visit, receive: Receive) -> Receive | None:
    """Return what the application reads the body from; None where the request was refused for its body."""
    if visit.scope["method"] not in _BODY_METHODS:
        return receive
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= MAX_JSON_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
    body = b"".join(chunks)
    fault = _fault_of(body, visit)
    if fault is not None:
        await visit.refuse(*fault, receive)
        return None
    visit.scope["state"]["body"] = body
    return _replay(body, receive)


def _fault_of(body: bytes, visit: _Visit) -> tuple[str, str] | None:
    """Return the code of what is wrong with a body, and a sentence about it."""
    if len(body) > MAX_JSON_BYTES:
        return "payload_too_large", "The body is larger than 64 KiB."
    if not body:
        return None
    # Nobody unpacks bodies here, so that none is larger than it looks.
    if visit.headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        return "unsupported_media_type", "Send the body as it is, without Content-Encoding."
    media_type = visit.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if visit.scope["path"] in _FORMS and media_type == b"application/x-www-form-urlencoded":
        return None
    if not _JSON.fullmatch(media_type):
        return "unsupported_media_type", "Send the body as application/json."
    return _fault_of_json(body)


def _fault_of_json(body: bytes) -> tuple[str, str] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return "malformed_json", f"The body is not valid JSON: {error}"
    if _deeper_than(MAX_JSON_DEPTH, value):
        return "malformed_json", f"The body is nested deeper than {MAX_JSON_DEPTH} levels."
    return None


def _deeper_than(levels: int, value: Any) -> bool:
    inner = [value]
    for _ in range(levels):
        containers = [one for one in inner if isinstance(one, dict | list)]
        inner = [part for one in containers for part in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(one, dict | list) for one in inner)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
