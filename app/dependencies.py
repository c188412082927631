"""Gives endpoints what they work with, as annotated aliases that read like words."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2PasswordBearer
from pydantic import JsonValue

from app import acting
from app.answers import Public
from app.errors import (
    AuthenticationRequired,
    FieldError,
    IdempotencyKeyMissing,
    InvalidInput,
    PermissionDenied,
    TokenRevoked,
)
from app.idempotency import Claim, SentKey
from app.lifespan import Resources
from app.models.cart import CartOwner
from app.openapi import NEEDED
from app.pagination import PageRequest
from app.paths import API
from app.schemas.book_query import ListQuery
from app.security import Principal, derived_key, verify_access_token
from app.services.carts import digest_of
from app.services.desk import Device
from app.wording import spelt


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Shop = Annotated[Resources, Depends(_resources)]
"""The replica's open resources."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token")


_password_flow = OAuth2PasswordBearer(f"{API}/auth/token", auto_error=False, description="Sign in on this page")


async def _credentials(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _: Annotated[str | None, Depends(_password_flow)],  # the same header, for the docs page's Authorize button
) -> HTTPAuthorizationCredentials | None:
    return credentials


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_credentials)]
"""The access token that came with the request, whether it holds or not."""


async def visitor_of(request: Request, shop: Shop, credentials: Credentials) -> Principal | None:
    """Return whoever sent the request, where an access token came with it.

    Raises:
        InvalidToken, TokenRevoked: it doesn't hold.
    """
    if credentials is None:
        return None
    claimed = verify_access_token(shop.settings, credentials.credentials)
    session = await shop.sessions.living(claimed.session_id)
    if session is None or session.user_id != claimed.user_id:
        raise TokenRevoked("The session of this access token has ended; sign in again.")
    user = Principal(claimed.user_id, claimed.session_id, session.role)
    if user.is_staff and request.method not in _SAFE:
        acting.remember(_act(request, user))
    return user


def _act(request: Request, user: Principal) -> acting.Act:
    return acting.Act(
        actor=user.user_id,
        role=user.role.value,
        action=request.scope["route"].name,
        method=request.method,
        path=request.url.path,
        named=request.path_params,
        request_id=request.scope["state"]["request_id"],
    )


Visitor = Annotated[Principal | None, Depends(visitor_of)]
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

_IfMatchHeader = Annotated[
    str | None, Header(alias="if-match", description="The ETag that you last saw", max_length=1000)
]


async def _if_match(request: Request, _: _IfMatchHeader = None) -> str | None:
    lines = request.headers.getlist("if-match")
    return ", ".join(lines) if lines else None


IfMatch = Annotated[str | None, Depends(_if_match)]
"""The client's `If-Match`: several lines are one list (RFC 9110, section 5.3)."""


CartToken = Annotated[
    str | None,
    Header(alias="X-Cart-Token", max_length=200, description="Whose cart, for guests: from `POST /carts`"),
]


async def _shopper(user: Visitor, cart_token: CartToken = None) -> CartOwner:
    if user is not None:
        return CartOwner(user_id=user.user_id)
    if cart_token:
        return CartOwner(token_digest=digest_of(cart_token))
    raise AuthenticationRequired("Sign in, or make a guest cart with POST /carts and send its X-Cart-Token.")


Shopper = Annotated[CartOwner, Depends(_shopper)]
"""Whoever has a cart: a user, or a guest with a cart's token; a user who sends both means their own cart."""


def _key_header(**extra: JsonValue) -> Any:
    return Header(
        alias="Idempotency-Key",
        pattern=spelt(r"^[\x21-\x7e]{1,255}$", "must be 1 to 255 visible ASCII characters, without spaces"),
        description="1 to 255 visible ASCII characters; a repeat with the same key gives the first answer again",
        json_schema_extra=extra,
    )


_KeyHeader = Annotated[str | None, _key_header()]
_NeededKeyHeader = Annotated[str | None, _key_header(**{NEEDED: True})]


def _sent(request: Request, shop: Resources, key: str) -> SentKey:
    if len(set(request.headers.getlist("idempotency-key"))) > 1:
        raise InvalidInput(FieldError("header:Idempotency-Key", "ambiguous", "must be sent once, with one value"))
    # As the gate read it: of a form the framework leaves nothing to read again.
    body: bytes = request.scope["state"]["body"]
    kind = request.headers.get("content-type", "").lower()
    is_json = body and not kind.startswith("application/x-www-form-urlencoded")
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) if is_json else body
    target = f"{key}\n{request.method} {request.url.path}?{request.url.query}\n".encode()
    # Bodies may hold passwords: nobody who reads the database shall be able to try what they were.
    secret = derived_key(shop.settings, "idempotency-key")
    return SentKey(key, hmac.new(secret, target + canonical, hashlib.sha256).hexdigest(), secret)


async def _sent_key(request: Request, shop: Shop, key: _KeyHeader = None) -> SentKey | None:
    return _sent(request, shop, key) if key is not None else None


AnyonesKey = Annotated[SentKey | None, Depends(_sent_key)]
"""The request's idempotency key where nobody has to be signed in; the endpoint says whose it is."""


async def _claim(user: CurrentUser, key: AnyonesKey) -> Claim | None:
    return key.of(user.user_id) if key else None


IdempotencyKey = Annotated[Claim | None, Depends(_claim)]
"""The request's idempotency key with whose it is, where one was sent."""


async def _cart_claim(shopper: Shopper, key: AnyonesKey) -> Claim | None:
    return key.of(shopper.principal) if key else None


CartKey = Annotated[Claim | None, Depends(_cart_claim)]
"""The same for carts, which guests have, too."""


async def _needed_claim(request: Request, shop: Shop, user: CurrentUser, key: _NeededKeyHeader = None) -> Claim:
    if key is None:
        raise IdempotencyKeyMissing("Send an Idempotency-Key: this must not happen twice.")
    return _sent(request, shop, key).of(user.user_id)


NeededKey = Annotated[Claim, Depends(_needed_claim)]
"""The request's idempotency key; 400 without one."""


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


async def _device(request: Request, shop: Shop) -> Device:
    agent = request.headers.get("user-agent")
    return Device(shop.proxies.address_of(request), agent[:200] if agent else None)


Sender = Annotated[Device, Depends(_device)]
"""From where and with what the request was sent."""
