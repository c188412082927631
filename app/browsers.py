"""Tells browsers what they may do with our answers: on every answer, whoever made it. Pure ASGI."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

Headers = list[tuple[bytes, bytes]]

_NO_PAGE: Final = b"default-src 'none'; frame-ancestors 'none'"
_PAGE: Final = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the documentation's pages load."""

_ON_EVERY_ANSWER: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAY_SEND: Final = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Cart-Token, X-Request-ID"
_MAY_READ: Final = (
    b"Cache-Status, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
)
_PREFLIGHT_SECONDS: Final = b"600"


class Browsers:
    """Adds the security headers (OWASP REST cheat sheet), and answers the questions of CORS (the Fetch standard).

    Pages of the origins in the settings may call the API. Answers that the edge keeps are the same for everybody, so
    they say `*`: one kept for one origin would otherwise be given to another. We take no cookies, so neither origin nor
    `*` opens anything that a token doesn't.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Wrap the application."""
        self._app = app
        self._origins = frozenset(origin.encode() for origin in settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete its answer; answer a preflight in the application's place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _header(scope["headers"], b"origin")
        allowed = origin if origin in self._origins else None
        if (
            scope["method"] == "OPTIONS"
            and allowed
            and _header(scope["headers"], b"access-control-request-method") is not None
        ):
            await send({"type": "http.response.start", "status": 204, "headers": _preflight(allowed)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added(message["headers"], allowed)]
            await send(message)

        await self._app(scope, receive, completed)

    def _added(self, headers: Headers, allowed: bytes | None) -> Headers:
        html = (_header(headers, b"content-type") or b"").startswith(b"text/html")
        added = [*_ON_EVERY_ANSWER, (b"content-security-policy", _PAGE if html else _NO_PAGE)]
        if not self._origins:
            return added
        if _header(headers, b"cdn-cache-control") is not None:
            return [*added, (b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _MAY_READ)]
        added.append((b"vary", b"Origin"))
        if allowed is not None:
            added += [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", _MAY_READ)]
        return added


def _preflight(origin: bytes) -> Headers:
    return [
        *_ON_EVERY_ANSWER,
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _MAY_SEND),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
        (b"vary", b"Origin"),
    ]


def _header(headers: Headers, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key.lower() == name), None)
