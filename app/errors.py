"""Says what can go wrong in the domain, without a word of HTTP.

BookstoreError                      code, a sentence for people, data
├── NotFound                        there is no such thing, or it isn't yours to see
├── Gone                            it was there, and was archived, used, replaced or has expired
├── AuthenticationRequired          no token
├── InvalidToken                    a token that doesn't hold
├── TokenRevoked                    a token of a session that has ended
├── InvalidCredentials              a name and a password that don't go together
├── PermissionDenied                seen, but not to be changed by you
├── MalformedJson, UnsupportedMediaType, PayloadTooLarge
├── InvalidInput                    fields at fault, each with a pointer
├── CursorInvalid
├── IdempotencyKeyMissing           this can't be sent without one
├── IdempotencyKeyReused            the key belongs to another request
├── PreconditionFailed, PreconditionRequired
├── Conflict                        the state of things forbids it
│   ├── IsbnTaken, CategoryInUse, EmailTaken, UsernameTaken
│   ├── InsufficientStock, PriceChanged, CartEmpty
│   ├── InvalidTransition           an order can't go there from where it is
│   └── RefundExceedsCaptured       with what is left to give back
├── PaymentDeclined                 the card was refused; another may be tried
├── WebhookSignatureInvalid         an event that the gateway didn't sign
├── RateLimited                     too often; with how long to wait
├── Overloaded                      shed before it was begun, to keep the rest fast
├── DependencyUnavailable           nothing is known of the outcome
│   ├── NoPrimary
│   └── PaymentGatewayUnavailable
└── DeadlineExceeded
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

SOME_FIELDS: Final = "Some fields are not valid; see errors."
_LONGEST_DETAIL: Final = 1_000
"""Characters; nobody reads a longer one, and a small body mustn't make a large answer."""


@dataclass(frozen=True)
class FieldError:
    """One field at fault: where (RFC 6901 pointer, or `?name` for a query parameter), a code, and why."""

    pointer: str
    code: str
    detail: str


def json_pointer(steps: Iterable[str | int]) -> str:
    """Return the pointer (RFC 6901) that leads by these names and indexes into a document; none mean the whole."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


class BookstoreError(Exception):
    """Anything that the domain refuses; `data` goes into the problem document beside the code."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str, **data: Any) -> None:
        """Take a sentence that a shopper can read, and the data that a client can use."""
        super().__init__(detail)
        self.detail = detail
        self.data: Mapping[str, Any] = data
        self.fields: Sequence[FieldError] = ()


class NotFound(BookstoreError):
    code = "not_found"


class Gone(BookstoreError):
    code = "gone"


class AuthenticationRequired(BookstoreError):
    code = "authentication_required"


class InvalidToken(BookstoreError):
    code = "invalid_token"


class TokenRevoked(BookstoreError):
    code = "token_revoked"


class InvalidCredentials(BookstoreError):
    code = "invalid_credentials"


class PermissionDenied(BookstoreError):
    code = "permission_denied"


class MalformedJson(BookstoreError):
    code = "malformed_json"


class UnsupportedMediaType(BookstoreError):
    code = "unsupported_media_type"


class PayloadTooLarge(BookstoreError):
    code = "payload_too_large"


class InvalidInput(BookstoreError):
    code = "validation_error"

    def __init__(self, *fields: FieldError) -> None:
        """Take the fields at fault."""
        detail = "; ".join(f"{field.pointer}: {field.detail}" for field in fields)
        super().__init__(detail if len(detail) <= _LONGEST_DETAIL else SOME_FIELDS)
        self.fields = fields


class CursorInvalid(BookstoreError):
    code = "cursor_invalid"


class IdempotencyKeyMissing(BookstoreError):
    code = "idempotency_key_missing"


class IdempotencyKeyReused(BookstoreError):
    code = "idempotency_key_reused"


class PreconditionFailed(BookstoreError):
    code = "precondition_failed"

    def __init__(self, detail: str, *, etag: str) -> None:
        """Take the current ETag, so that the client may look again and retry."""
        super().__init__(detail)
        self.etag = etag


class PreconditionRequired(BookstoreError):
    code = "precondition_required"


class Conflict(BookstoreError):
    code = "conflict"


class IsbnTaken(Conflict):
    code = "isbn_taken"


class CategoryInUse(Conflict):
    code = "category_in_use"


class InsufficientStock(Conflict):
    code = "insufficient_stock"


class PriceChanged(Conflict):
    code = "price_changed"


class CartEmpty(Conflict):
    code = "cart_empty"


class InvalidTransition(Conflict):
    code = "invalid_transition"


class RefundExceedsCaptured(Conflict):
    code = "refund_exceeds_captured"


class PaymentDeclined(BookstoreError):
    code = "payment_declined"


class WebhookSignatureInvalid(BookstoreError):
    code = "webhook_signature_invalid"


class EmailTaken(Conflict):
    code = "email_taken"


class UsernameTaken(Conflict):
    code = "username_taken"


class RateLimited(BookstoreError):
    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after: int, told: Mapping[str, str]) -> None:
        """Take how many seconds to wait, and what a client should know of the limit."""
        super().__init__(detail)
        self.retry_after = retry_after
        self.told = told


class Overloaded(BookstoreError):
    code = "overloaded"


class DependencyUnavailable(BookstoreError):
    code = "dependency_unavailable"


class NoPrimary(DependencyUnavailable):
    code = "no_primary"


class PaymentGatewayUnavailable(DependencyUnavailable):
    code = "payment_gateway_unavailable"


class DeadlineExceeded(BookstoreError):
    code = "deadline_exceeded"
