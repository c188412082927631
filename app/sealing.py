"""Seals stored answers: at rest they open only to who sends the same `Idempotency-Key` again.

The key is derived from our secret and from the client's, of which the database knows a digest alone (RFC 5869);
AES-256-GCM (NIST SP 800-38D) with a random nonce.
"""

import hashlib
import hmac
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Seal:
    """Closes and opens what belongs to one key of one client."""

    def __init__(self, secret: bytes, clients_key: str) -> None:
        """Derive the key from ours and the client's."""
        self._cipher = AESGCM(hmac.new(secret, clients_key.encode(), hashlib.sha256).digest())

    def close(self, content: bytes, *, about: str) -> bytes:
        """Return the content sealed; `about` says what it belongs to, and must be the same when it is opened."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, about.encode())

    def open(self, sealed: bytes, *, about: str) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidTag: it was sealed with another key, or for something else.
        """
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
