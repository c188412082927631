"""Issues and verifies access tokens, and derives the program's signing keys from its one secret."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from jose import JWTError, jwt

from app import clock
from app.errors import InvalidToken
from app.ids import SessionId, UserId, new_id
from app.settings import Settings

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "bookstore"
_AUDIENCE: Final = "bookstore-api"
_CLAIMS: Final = ("exp", "iat", "nbf", "iss", "aud", "jti", "sub", "sid", "role")
_MAX_TOKEN_CHARACTERS: Final = 4096


class Role(StrEnum):
    """What a user may do; each role may do what the ones before it may."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


@dataclass(frozen=True)
class Principal:
    """Who sends a request."""

    user_id: UserId
    session_id: SessionId
    role: Role

    @property
    def is_staff(self) -> bool:
        """Whether this is somebody who works in the shop."""
        return self.role in (Role.STAFF, Role.ADMIN)

    @property
    def is_admin(self) -> bool:
        """Whether this is somebody who says who works in the shop."""
        return self.role is Role.ADMIN


def derived_key(settings: Settings, purpose: str) -> bytes:
    """Return the 256-bit key for one purpose: HMAC-SHA-256 of the purpose under the secret (RFC 5869's expand step)."""
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.new(secret, purpose.encode() + b"\x01", hashlib.sha256).digest()


def issue_access_token(settings: Settings, principal: Principal, *, at_most: int | None = None) -> str:
    """Return a signed access token (RFC 9068's claims).

    It lasts `settings.access_token_seconds`, or `at_most` so many: no longer than its session.
    """
    moment = clock.now()
    seconds = settings.access_token_seconds if at_most is None else min(settings.access_token_seconds, at_most)
    claims: dict[str, Any] = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": principal.user_id,
        "sid": principal.session_id,
        "role": principal.role.value,
        "jti": new_id("jti"),
        "iat": int(moment.timestamp()),
        "nbf": int(moment.timestamp()),
        "exp": int((moment + timedelta(seconds=seconds)).timestamp()),
    }
    return jwt.encode(claims, derived_key(settings, "access-token").hex(), algorithm=_ALGORITHM)


def verify_access_token(settings: Settings, token: str) -> Principal:
    """Return who the token speaks for.

    The algorithm is pinned and every claim required (RFC 8725, sections 3.1 and 3.8 to 3.12).

    Raises:
        InvalidToken: whatever is wrong with it; the caller learns no more.
    """
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise InvalidToken("The access token is not valid.")
        if jwt.get_unverified_header(token).get("alg") != _ALGORITHM:
            raise InvalidToken("The access token is not valid.")
        claims = jwt.decode(
            token,
            derived_key(settings, "access-token").hex(),
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={f"require_{name}": True for name in ("exp", "iat", "nbf", "iss", "aud", "jti", "sub")},
        )
        if not all(isinstance(claims.get(name), str | int) for name in _CLAIMS):
            raise InvalidToken("The access token is not valid.")
        return Principal(UserId(claims["sub"]), SessionId(claims["sid"]), Role(claims["role"]))
    except (JWTError, ValueError, RecursionError) as error:
        raise InvalidToken("The access token is not valid or has expired.") from error
