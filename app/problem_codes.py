"""Lists every problem code: the one table that knows which error is which status, and what it tells a client."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Code(NamedTuple):
    """What a problem code stands for."""

    status: int
    meaning: str
    retryable: bool = False


CODES: Final[Mapping[str, Code]] = {
    "malformed_json": Code(400, "The body is no JSON."),
    "cursor_invalid": Code(
        400, "The cursor is damaged, or of a list with other filters or another sort: start again without one."
    ),
    "idempotency_key_missing": Code(400, "This endpoint needs an `Idempotency-Key`."),
    "webhook_signature_invalid": Code(400, "The event isn't signed with our secret, or too long ago."),
    "authentication_required": Code(401, "Send an access token."),
    "invalid_credentials": Code(401, "The name or the password is wrong."),
    "invalid_token": Code(401, "The access token is damaged, foreign or expired."),
    "token_revoked": Code(401, "The session has ended; sign in again."),
    "payment_declined": Code(
        402, "The payment was refused. An order that came with it is there: pay `order_id` with `POST /payments`."
    ),
    "permission_denied": Code(403, "Only those who work here may do this, only administrators, or only its owner."),
    "not_found": Code(404, "There is no such thing, or it isn't yours."),
    "method_not_allowed": Code(405, "The path doesn't know this method; `Allow` says which it knows."),
    "request_timeout": Code(408, "The body came too slowly; nothing happened.", retryable=True),
    "conflict": Code(409, "The state of things forbids it."),
    "email_taken": Code(409, "Somebody has this e-mail address."),
    "username_taken": Code(409, "Somebody has this name."),
    "isbn_taken": Code(409, "Another book has this ISBN."),
    "category_in_use": Code(409, "Books or categories are still in it."),
    "review_exists": Code(409, "You have reviewed this book already. (Reserved: there are no reviews yet.)"),
    "insufficient_stock": Code(409, "Too few copies; `lines` says of which book how many are there."),
    "price_changed": Code(409, "A price isn't what you saw; `lines` has old and new."),
    "cart_empty": Code(409, "There is nothing to order."),
    "invalid_transition": Code(409, "The order can't go there from where it is; `allowed` says where it can."),
    "refund_exceeds_captured": Code(409, "More than was paid; `refundable` says what is left."),
    "idempotency_in_progress": Code(
        409, "The first request with this key still runs. (Reserved: repeats wait for it.)", retryable=True
    ),
    "gone": Code(410, "It was there, and was archived; or a letter's token that was used, replaced or has expired."),
    "precondition_failed": Code(412, "It was changed since you saw it; `ETag` is the current one."),
    "payload_too_large": Code(413, "The body is larger than 64 KiB."),
    "unsupported_media_type": Code(415, "Send JSON."),
    "validation_error": Code(422, "Fields are at fault: `errors` says which, where, and why."),
    "idempotency_key_reused": Code(422, "The key was sent with another request before."),
    "precondition_required": Code(428, "Send `If-Match` with the `ETag` that you last saw."),
    "rate_limited": Code(429, "Too many requests; wait as long as `Retry-After` says.", retryable=True),
    "internal_error": Code(500, "Our mistake; the log has it under the `request_id`. Outcome unknown.", retryable=True),
    "bad_gateway": Code(
        502, "The connection to a replica broke before the whole answer was there. Outcome unknown.", retryable=True
    ),
    "no_primary": Code(503, "The database elects a new primary, which takes seconds. Outcome unknown.", retryable=True),
    "dependency_unavailable": Code(503, "A server that this needs doesn't answer. Outcome unknown.", retryable=True),
    "overloaded": Code(503, "Too many requests at once, or no replica is up; this one was not begun.", retryable=True),
    "payment_gateway_unavailable": Code(
        503, "The payment provider doesn't answer, or refuses the shop. Outcome unknown.", retryable=True
    ),
    "deadline_exceeded": Code(504, "It took too long. Outcome unknown.", retryable=True),
}
"""docs/errors.md is generated from here."""
