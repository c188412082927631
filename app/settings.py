"""Reads the program's settings from the environment, and from files for secrets."""

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.mailboxes import address_of
from app.origins import is_origin
from app.production import weaknesses

RateLimit = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/[1-9][0-9]{0,6}$")]
"""So many in so many seconds: `10/300`."""


class Environment(StrEnum):
    """Where the program runs; production refuses weak secrets."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"
    TEST = "test"


def is_rabbitmq(broker_url: str) -> bool:
    """Tell whether Celery's broker is RabbitMQ, rather than Redis."""
    return broker_url.startswith(("amqp://", "amqps://"))


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class Settings(BaseSettings):
    """Everything that can be set. Each `BOOKSTORE_X` that is a secret may be given as `BOOKSTORE_X_FILE` instead."""

    model_config = SettingsConfigDict(
        env_prefix="BOOKSTORE_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # what is refused may be a secret
    )

    environment: Environment = Field(
        Environment.DEVELOPMENT,
        description="`development`, `test` or `production`, which refuses to start with weak or missing secrets",
    )
    process_name: str = Field("api", description="How this process calls itself in logs and metrics")

    mongo_url: SecretStr = Field(
        SecretStr(""),
        description="The replica set, as the application's user (least privilege)",
    )
    mongo_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_MONGO_URL`")
    mongo_migrate_url: SecretStr = Field(
        SecretStr(""),
        description="The same, as the user who may make collections and indexes; `python -m app.migrate` reads it",
    )
    mongo_migrate_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_MONGO_MIGRATE_URL`")
    mongo_database: str = Field("bookstore", description="The database's name")
    mongo_pool_size: int = Field(40, ge=5, description="Connections that one process may hold to each member")

    cache_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6481/0"), description="Redis for cached answers")
    cache_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_CACHE_URL`")
    broker_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6482/0"), description="Celery's broker: Redis, or RabbitMQ (`amqp://…`)"
    )
    broker_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_BROKER_URL`")
    limits_url: SecretStr = Field(
        SecretStr(""),
        description="Redis for counting attempts; unset, the broker's where that is a Redis, else the cache's",
    )
    limits_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_LIMITS_URL`")
    smtp_url: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:8025"),
        description="The mail server: `smtps://user:password@host:465`, or `smtp://…:587` for STARTTLS",
    )
    smtp_url_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_SMTP_URL`")
    mail_from: str = Field("Bookstore <shop@bookstore.example>", description="Whom e-mails come from")
    staff_email: str = Field(
        "", description="Who hears of titles that run low, and of refunds that fail; nobody if empty"
    )
    pages_url: str = Field(
        "",
        description="Where the shop's pages are. E-mails link to `/verify-email?token=…`, `/reset-password?token=…`, "
        "`/orders/ID`; without pages they show the code alone",
    )
    cors_origins: str = Field(
        "",
        description="Whose pages may call the API from a browser, comma-separated, such as `https://shop.example`",
    )
    edge_sockets: str = Field(
        "",
        description="HAProxy's runtime sockets, comma-separated: a path, or host:port",
    )

    secret_key: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters; the keys that sign access tokens and cursors are derived from it",
    )
    secret_key_file: Path | None = Field(None, description="A file that holds `BOOKSTORE_SECRET_KEY`")
    access_token_seconds: int = Field(900, ge=1, description="How long an access token lasts")
    session_seconds: int = Field(
        30 * 86_400, ge=1, description="After this long a session ends, however often it was refreshed"
    )
    refresh_repeat_seconds: int = Field(
        15,
        ge=0,
        description="For so long a refresh token may be sent again by a client that lost the answer; longer than a "
        "client waits for one",
    )
    password_memory_kib: int = Field(19 * 1024, ge=19 * 1024, description="Memory of one argon2id hash (RFC 9106)")
    password_time_cost: int = Field(2, ge=2, description="Passes of argon2id over that memory")
    password_threads: int = Field(2, ge=1, description="Passwords that one process hashes at once")

    stripe_api_key: SecretStr = Field(
        SecretStr(""), alias="STRIPE_API_KEY", description="Stripe's secret key; without one nobody can pay"
    )
    stripe_api_key_file: Path | None = Field(
        None, alias="STRIPE_API_KEY_FILE", description="A file that holds `STRIPE_API_KEY`"
    )
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""), alias="STRIPE_WEBHOOK_SECRET", description="What Stripe signs its webhooks with"
    )
    stripe_webhook_secret_file: Path | None = Field(
        None, alias="STRIPE_WEBHOOK_SECRET_FILE", description="A file that holds `STRIPE_WEBHOOK_SECRET`"
    )
    stripe_stand_in: bool = Field(
        False, description="Production with a stand-in for Stripe: test cards pay, and nobody's money is taken"
    )
    payments_off: bool = Field(False, description="Production without Stripe: orders are taken and nobody can pay")
    stripe_api_base: str = Field("https://api.stripe.com", description="Where Stripe's API, or a stand-in, answers")
    payment_deadline_seconds: float = Field(
        5.0, gt=0, description="After this long a question to the payment gateway is given up; its outcome is unknown"
    )

    limit_sign_in: RateLimit = Field("10/300", description="Failed sign-ins of one account: so many in so many seconds")
    limit_sign_in_address: RateLimit = Field("100/300", description="Failed sign-ins from one address")
    limit_registration: RateLimit = Field("30/3600", description="Registrations from one address")
    limit_letter: RateLimit = Field("5/3600", description="E-mails that anybody can have sent to one address")
    limit_letter_address: RateLimit = Field("30/3600", description="The same, asked for from one network address")
    unlimited_addresses: str = Field(
        "127.0.0.0/8 ::1", description="Networks that the limits per address don't hold for; those per account do"
    )
    trusted_proxies: str = Field(
        "127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
        description="Networks from which `X-Forwarded-For` is believed: HAProxy's, which sets it afresh",
    )
    verify_email_seconds: int = Field(3 * 86_400, ge=1, description="How long a letter's link confirms an address")
    reset_password_seconds: int = Field(3600, ge=1, description="How long a letter's link sets a new password")

    request_deadline_seconds: float = Field(10.0, gt=0, description="After this long a request is answered 504")
    transaction_deadline_seconds: float = Field(8.0, gt=0, description="After this long a transaction is given up")
    max_concurrent_requests: int = Field(256, ge=1, description="More than these at once are shed with 503")
    max_concurrent_transactions: int = Field(
        16, ge=1, description="More than these of one process wait, for 4 s; then they are shed with 503"
    )

    shipping_flat: int = Field(499, ge=0, le=99_999, description="What sending an order costs, in minor units")
    unpaid_order_seconds: int = Field(
        1800, ge=1, description="After this long an unpaid order expires and its copies go back"
    )
    guest_cart_days: int = Field(30, ge=1, description="After so long without a change a guest's cart is removed")

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, object]) -> dict[str, object]:
        for name, value in list(values.items()):
            if name.lower().endswith("_file") and value:
                values[name[: -len("_file")]] = Path(str(value)).read_text(encoding="utf-8").strip()
        return values

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < 32:  # noqa: PLR2004
            raise ValueError("set BOOKSTORE_SECRET_KEY to at least 32 random characters")
        return secret

    @model_validator(mode="after")
    def _refuse_what_is_weak(self) -> Self:
        found = list(weaknesses(self)) if self.environment is Environment.PRODUCTION else []
        if found:
            raise ValueError("not fit for production: " + "; ".join(found))
        return self

    @field_validator("cors_origins")
    @classmethod
    def _origins_alone(cls, text: str) -> str:
        for origin in listed(text):
            if not is_origin(origin):
                raise ValueError(f"{origin!r} is no origin such as https://shop.example")
        return text

    @field_validator("mail_from")
    @classmethod
    def _one_sender(cls, text: str) -> str:
        if address_of(text) is None:
            raise ValueError("must be one e-mail address, with a name before it or without; quote a name with commas")
        return text

    @field_validator("staff_email")
    @classmethod
    def _one_reader(cls, text: str) -> str:
        if text and address_of(text) != text:
            raise ValueError("must be one e-mail address and nothing else; a mailing list's where several shall hear")
        return text

    @model_validator(mode="after")
    def _refuse_half_a_gateway(self) -> Self:
        # Who can pay but whose webhooks nobody can verify would wait for the reconciler, each time.
        if bool(self.stripe_api_key.get_secret_value()) != bool(self.stripe_webhook_secret.get_secret_value()):
            raise ValueError("set STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET both, or neither")
        return self

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """The addresses in `edge_sockets`."""
        return listed(self.edge_sockets)

    @property
    def counting_url(self) -> str:
        """Where attempts are counted: best in a Redis that evicts nothing and that nobody flushes."""
        broker, cache = self.broker_url.get_secret_value(), self.cache_url.get_secret_value()
        return self.limits_url.get_secret_value() or (cache if is_rabbitmq(broker) else broker)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins in `cors_origins`."""
        return listed(self.cors_origins)


def wrong_setting(error: ValidationError) -> str:
    """Return what is wrong first among the settings, as a sentence for a person who starts the program."""
    first = error.errors(include_input=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    for name in map(str, first["loc"]):
        variable = name if name.isupper() else f"{Settings.model_config['env_prefix']}{name.upper()}"
        if variable not in reason:
            reason = f"{variable}: {reason}"
    return f"A setting is wrong: {reason}."
