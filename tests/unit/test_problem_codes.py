from http import HTTPStatus

from app.problem_codes import CODES

# API.md's list, and what the edge and a mistake of ours are called.
PROMISED = """
malformed_json 400, cursor_invalid 400, idempotency_key_missing 400, webhook_signature_invalid 400,
authentication_required 401, invalid_credentials 401, invalid_token 401, token_revoked 401, payment_declined 402,
permission_denied 403, not_found 404, method_not_allowed 405, request_timeout 408, conflict 409, email_taken 409,
username_taken 409, isbn_taken 409, category_in_use 409, review_exists 409, insufficient_stock 409,
price_changed 409, cart_empty 409, invalid_transition 409, refund_exceeds_captured 409,
idempotency_in_progress 409, gone 410, precondition_failed 412,
payload_too_large 413, unsupported_media_type 415, validation_error 422, idempotency_key_reused 422,
precondition_required 428, rate_limited 429, internal_error 500, bad_gateway 502, no_primary 503,
dependency_unavailable 503, overloaded 503, payment_gateway_unavailable 503, deadline_exceeded 504
"""


def test_the_codes_and_their_statuses_are_those_promised() -> None:
    promised = dict(pair.split() for pair in PROMISED.replace("\n", " ").strip().split(", "))

    assert {code: str(entry.status) for code, entry in CODES.items()} == promised


def test_what_may_be_sent_again_says_so() -> None:
    retryable = {code for code, entry in CODES.items() if entry.retryable}

    assert retryable == {
        "request_timeout",
        "idempotency_in_progress",
        "internal_error",
        "rate_limited",
        "bad_gateway",
        "no_primary",
        "dependency_unavailable",
        "overloaded",
        "payment_gateway_unavailable",
        "deadline_exceeded",
    }
    assert all(HTTPStatus(entry.status).phrase for entry in CODES.values())
