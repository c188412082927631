"""Makes refresh tokens, each from the one before: so that a lost answer can be given again, and nothing lies at rest.

A token names its session and holds 256 bits, random in the first and derived from the one before in the others. The
database knows their SHA-256 alone. A MAC over the whole tells the tokens that we made from made-up ones: only the
former can end a family by being used again.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from app.errors import InvalidToken
from app.ids import SESSION, SessionId
from app.security import derived_key
from app.settings import Settings

_SECRET_BYTES: Final = 32
_MAC_BYTES: Final = 16
_SESSION_BYTES: Final = len(SESSION) + 1 + 26
_BYTES: Final = _SESSION_BYTES + _SECRET_BYTES + _MAC_BYTES
_REFUSED: Final = "The refresh token is not valid or has expired; sign in again."


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token that we made."""

    session_id: SessionId
    secret: bytes

    @property
    def hash(self) -> bytes:
        """What the database keeps of it."""
        return hashlib.sha256(self.secret).digest()


class RefreshTokens:
    """Makes, spells and reads refresh tokens."""

    def __init__(self, settings: Settings) -> None:
        """Derive the keys."""
        self._mac_key = derived_key(settings, "refresh-token")
        self._next_key = derived_key(settings, "refresh-token-successor")

    @staticmethod
    def first(session_id: SessionId) -> RefreshToken:
        """Return a session's first token."""
        return RefreshToken(session_id, secrets.token_bytes(_SECRET_BYTES))

    def after(self, token: RefreshToken) -> RefreshToken:
        """Return the token that follows this one: always the same."""
        about = token.session_id.encode() + token.secret
        return RefreshToken(token.session_id, hmac.new(self._next_key, about, hashlib.sha256).digest())

    def spelt(self, token: RefreshToken) -> str:
        """Return the token as clients get it."""
        content = token.session_id.encode() + token.secret
        return base64.urlsafe_b64encode(content + self._mac(content)).decode().rstrip("=")

    def read(self, text: str) -> RefreshToken:
        """Return the token that a client sent.

        Raises:
            InvalidToken: we never made it.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            raise InvalidToken(_REFUSED) from error
        content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(raw) != _BYTES or not hmac.compare_digest(mac, self._mac(content)):
            raise InvalidToken(_REFUSED)
        return RefreshToken(SessionId(content[:_SESSION_BYTES].decode()), content[_SESSION_BYTES:])

    def _mac(self, content: bytes) -> bytes:
        return hmac.new(self._mac_key, content, hashlib.sha256).digest()[:_MAC_BYTES]
