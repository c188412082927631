"""Makes the single-use tokens that e-mails carry: derived when a letter is written, known to the database by hash."""

import base64
import hashlib
import hmac

from app.ids import UserTokenId
from app.security import derived_key
from app.settings import Settings


def user_token(settings: Settings, token_id: UserTokenId) -> str:
    """Return the token (256 bits) for the row with this id: always the same, and nobody makes it without our secret."""
    key = derived_key(settings, "user-token")
    return base64.urlsafe_b64encode(hmac.new(key, token_id.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def hash_of(token: str) -> bytes:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()
