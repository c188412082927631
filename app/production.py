"""Says what is missing or too weak for production: the program refuses to start with it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from app.settings import Settings

_LEAST_CHARACTERS: Final = 12
"""Different ones in a random secret, and characters in a password that a machine keeps."""

_PLACEHOLDER: Final = re.compile("change|secret|example|placeholder|password|default|replace|bookstore", re.IGNORECASE)
"""Words that examples are made of, and random keys in hexadecimal are not."""

_LEAST_IN_KEY: Final = 20
_STRIPE: Final = "https://api.stripe.com"
_MAKE_ONE: Final = "make one with: openssl rand -hex 32"


def weaknesses(settings: "Settings") -> Iterator[str]:
    """Yield a sentence for everything that production can't do with."""
    if len(set(settings.secret_key.get_secret_value())) < _LEAST_CHARACTERS:
        yield f"BOOKSTORE_SECRET_KEY isn't random; {_MAKE_ONE}"
    elif _PLACEHOLDER.search(settings.secret_key.get_secret_value()):
        yield f"BOOKSTORE_SECRET_KEY is somebody's example; {_MAKE_ONE}"
    yield from _of_mongo("BOOKSTORE_MONGO_URL", settings.mongo_url.get_secret_value())
    if settings.mongo_migrate_url.get_secret_value():
        yield from _of_mongo("BOOKSTORE_MONGO_MIGRATE_URL", settings.mongo_migrate_url.get_secret_value())
    for name in ("cache_url", "broker_url", "smtp_url"):
        if name not in settings.model_fields_set:
            yield f"BOOKSTORE_{name.upper()} isn't set; its default is for one machine alone"
    yield from _of_mail(settings.smtp_url.get_secret_value())
    if not settings.payments_off:
        yield from _of_stripe(settings)


def _of_mongo(name: str, url: str) -> Iterator[str]:
    if not url:
        yield f"{name} isn't set"
        return
    # Not urlsplit alone: a list of hosts isn't a network location to it.
    user, separator, _ = url.partition("://")[2].rpartition("@")
    password = unquote(user.partition(":")[2])
    if not separator or not password:
        yield f"{name} names no user with a password: anybody could be the shop's database user"
    elif len(password) < _LEAST_CHARACTERS:
        yield f"the password in {name} has fewer than {_LEAST_CHARACTERS} characters; {_MAKE_ONE}"


def _of_mail(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        yield "BOOKSTORE_SMTP_URL isn't an address such as smtps://user:password@mail.example:465"
    if parts.username and not parts.password:
        yield "BOOKSTORE_SMTP_URL names a user without a password"


def _of_stripe(settings: "Settings") -> Iterator[str]:
    key, secret = settings.stripe_api_key.get_secret_value(), settings.stripe_webhook_secret.get_secret_value()
    if not key or not secret:
        yield (
            "STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET aren't set, so nobody could pay; "
            "where that is meant, set BOOKSTORE_PAYMENTS_OFF=true"
        )
        return
    if settings.stripe_api_base != _STRIPE and not settings.stripe_stand_in:
        yield (
            "BOOKSTORE_STRIPE_API_BASE isn't Stripe's, so nobody's money would be taken; "
            "where that is meant, set BOOKSTORE_STRIPE_STAND_IN=true"
        )
    if len(key) < _LEAST_IN_KEY or not key.startswith(("sk_", "rk_")):
        yield "STRIPE_API_KEY is no secret key of Stripe's: those begin with sk_ or rk_ and are longer"
    if len(secret) < _LEAST_IN_KEY or not secret.startswith("whsec_"):
        yield "STRIPE_WEBHOOK_SECRET is no secret of Stripe's: those begin with whsec_ and are longer"
