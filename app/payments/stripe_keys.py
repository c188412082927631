"""Asks Stripe under idempotency keys, of which each tells the failure that it met for as long as it is kept."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import count
from typing import Final, TypeVar

import stripe

T = TypeVar("T")

REPEATS: Final = 1
"""By the library, for what fails fast: a refused connection, a 409, a 503. What is slow runs into our own deadline."""


async def _nothing() -> None:
    return None


async def under_key(
    name: str,
    ask: Callable[[stripe.RequestOptions], Awaitable[T]],
    *,
    repeats: int = REPEATS,
    done: Callable[[], Awaitable[T | None]] = _nothing,
) -> T:
    """Ask under the key of this name; where a failure is kept under it, under the next one, `name-2` and so on.

    Stripe keeps a key for a day, and a 500 under it, whatever becomes of its cause; it marks what it tells again
    (docs.stripe.com/api/idempotent_requests). Only by that mark is the request known to have ended, and another key
    taken, unless `done` finds what it did all the same. A repeat of the whole ends under the same key.
    """
    for number in count(1):
        key = name if number == 1 else f"{name}-{number}"
        # None under a later key: it would be told its own failure again, and so on, until the deadline.
        options: stripe.RequestOptions = {"idempotency_key": key, "max_network_retries": repeats if number == 1 else 0}
        try:
            return await ask(options)
        except stripe.APIError as error:
            if not _is_told_again(error):
                raise
        found = await done()
        if found is not None:
            return found
    raise AssertionError


def _is_told_again(error: stripe.APIError) -> bool:
    status, headers = error.http_status or 0, error.headers or {}
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and headers.get("Idempotent-Replayed") == "true"
