"""Gives endpoints what they work with, as annotated aliases that read like words."""

import hashlib
from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer

from app.answers import Public
from app.errors import AuthenticationRequired, PermissionDenied, TokenRevoked
from app.idempotency import Claim
from app.lifespan import Resources
from app.pagination import PageRequest
from app.schemas.book_query import ListQuery
from app.security import Principal, verify_access_token
from app.services.sessions import Device


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Shop = Annotated[Resources, Depends(_resources)]
"""The replica's open resources."""

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token")


_password_flow = OAuth2PasswordBearer("/api/v1/auth/token", auto_error=False, description="Sign in on this page")


async def _visitor(
    shop: Shop,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _: Annotated[str | None, Depends(_password_flow)],  # the same header, for the docs page's Authorize button
) -> Principal | None:
    if credentials is None:
        return None
    claimed = verify_access_token(shop.settings, credentials.credentials)
    session = await shop.sessions.living(claimed.session_id)
    if session is None or session.user_id != claimed.user_id:
        raise TokenRevoked("The session of this access token has ended; sign in again.")
    return Principal(claimed.user_id, claimed.session_id, session.role)


Visitor = Annotated[Principal | None, Depends(_visitor)]
"""Whoever sent the request, where an access token came with it; 401 where that doesn't hold."""


async def _current_user(user: Visitor) -> Principal:
    if user is None:
        raise AuthenticationRequired("Send an access token: Authorization: Bearer …")
    return user


CurrentUser = Annotated[Principal, Depends(_current_user)]
"""Whoever sent the request; 401 without a valid token."""


async def _staff(user: CurrentUser) -> Principal:
    if not user.is_staff:
        raise PermissionDenied("Only the shop's staff may do this.")
    return user


Staff = Annotated[Principal, Depends(_staff)]
"""Somebody of the shop's staff; 403 for customers."""


async def _admin(user: CurrentUser) -> Principal:
    if not user.is_admin:
        raise PermissionDenied("Only the shop's administrators may do this.")
    return user


Admin = Annotated[Principal, Depends(_admin)]
"""Somebody who says who works in the shop; 403 for everybody else."""


async def _public(request: Request, shop: Shop) -> Public:
    return Public(request, shop.reads)


Catalogue = Annotated[Public, Depends(_public)]
"""Answers a public read through the cache."""

IfMatch = Annotated[str | None, Header(description="The ETag that you last saw", max_length=1000)]
"""The client's `If-Match`."""


async def _claim(
    request: Request,
    user: CurrentUser,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="1 to 255 visible ASCII characters; a repeat with the same key gives the first answer again",
        ),
    ] = None,
) -> Claim | None:
    if key is None:
        return None
    body = await request.body()
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) if body else b""
    target = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return Claim(key, user.user_id, hashlib.sha256(target + canonical).hexdigest())


IdempotencyKey = Annotated[Claim | None, Depends(_claim)]
"""The request's idempotency key with whose it is, where one was sent."""


def page_request(request: Request, shop: Resources, query: ListQuery) -> PageRequest:
    """Return which part of the list at this path, with these filters and this sort, is asked for.

    Raises:
        CursorInvalid: the cursor isn't one of this list.
    """
    same_list = query.model_dump(mode="json", exclude={"limit", "cursor", "include"})
    about = f"{request.url.path}?{orjson.dumps(same_list, option=orjson.OPT_SORT_KEYS).decode()}"
    position = shop.signer.open(query.cursor, about=about) if query.cursor else None
    return PageRequest(query.limit, position, about, "total" in query.include, shop.signer)


PageOf = Callable[[ListQuery], PageRequest]


async def _pages(request: Request, shop: Shop) -> PageOf:
    return lambda query: page_request(request, shop, query)


Pages = Annotated[PageOf, Depends(_pages)]
"""Makes the page request for a list's query."""


async def _device(request: Request) -> Device:
    agent = request.headers.get("user-agent")
    return Device(request.client.host if request.client else None, agent[:200] if agent else None)


Sender = Annotated[Device, Depends(_device)]
"""From where and with what the request was sent."""
