import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Environment, Settings

RANDOM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("BOOKSTORE_", "STRIPE_")):
            monkeypatch.delenv(name)


def _from_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"BOOKSTORE_{name.upper()}", value)
    return Settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STRIPE_API_KEY", "sk_test_1", "set STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET both, or neither"),
        ("BOOKSTORE_SECRET_KEY", "short", "set BOOKSTORE_SECRET_KEY to at least 32 random characters"),
        ("BOOKSTORE_CORS_ORIGINS", "shop", "BOOKSTORE_CORS_ORIGINS: 'shop' is no origin such as https://shop.example"),
        (
            "BOOKSTORE_SESSION_SECONDS",
            "long",
            "BOOKSTORE_SESSION_SECONDS: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_the_job_before_the_start_says_in_a_sentence_which_setting_is_wrong(name: str, value: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.migrate"],
        env={**os.environ, "BOOKSTORE_SECRET_KEY": RANDOM, name: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (1, f"A setting is wrong: {said}.\n")


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize("secret", [None, "", "short", "x" * 31])
def test_a_short_secret_is_refused_everywhere(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, secret: str | None
) -> None:
    given: dict[str, Any] = {} if secret is None else {"secret_key": secret}

    with pytest.raises(ValidationError, match="BOOKSTORE_SECRET_KEY"):
        _from_environment(monkeypatch, environment=environment.value, **given)


FIT = {
    "BOOKSTORE_ENVIRONMENT": "production",
    "BOOKSTORE_SECRET_KEY": RANDOM,
    "BOOKSTORE_MONGO_URL": f"mongodb://app:{RANDOM}@one:27017,two:27017/?replicaSet=bookstore",
    "BOOKSTORE_CACHE_URL": "redis://cache:6379/0",
    "BOOKSTORE_BROKER_URL": "redis://broker:6379/0",
    "BOOKSTORE_SMTP_URL": "smtps://shop:password@mail.example:465",
    "STRIPE_API_KEY": "sk_live_0123456789abcdef",
    "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *(("BOOKSTORE_SECRET_KEY", secret, "SECRET_KEY isn't random") for secret in ("x" * 64, "abcabcabc" * 8)),
        *(
            ("BOOKSTORE_SECRET_KEY", secret, "SECRET_KEY is somebody's example")
            for secret in ("change-me-to-thirty-two-random-characters", "My_Bookstore_Secret_Key_0123456789abcdef")
        ),
        ("BOOKSTORE_MONGO_URL", None, "MONGO_URL isn't set"),
        ("BOOKSTORE_MONGO_URL", "mongodb://one:27017/", "MONGO_URL names no user"),
        ("BOOKSTORE_MONGO_URL", "mongodb://app@one:27017/", "MONGO_URL names no user"),
        ("BOOKSTORE_MONGO_URL", "mongodb://app:password@one:27017/", "password in BOOKSTORE_MONGO_URL has fewer"),
        ("BOOKSTORE_MONGO_MIGRATE_URL", "mongodb://one:27017/", "MONGO_MIGRATE_URL names no user"),
        ("BOOKSTORE_CACHE_URL", None, "CACHE_URL isn't set"),
        ("BOOKSTORE_BROKER_URL", None, "BROKER_URL isn't set"),
        ("BOOKSTORE_SMTP_URL", None, "SMTP_URL isn't set"),
        ("BOOKSTORE_SMTP_URL", "mail.example:465", "SMTP_URL isn't an address"),
        ("BOOKSTORE_SMTP_URL", "smtps://shop@mail.example", "SMTP_URL names a user without a password"),
        ("STRIPE_API_KEY", "sk_live_1", "STRIPE_API_KEY is no secret key"),
        ("STRIPE_API_KEY", "pk_live_0123456789abcdef", "STRIPE_API_KEY is no secret key"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1", "STRIPE_WEBHOOK_SECRET is no secret"),
    ],
)
def test_production_refuses_what_is_weak_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, says: str
) -> None:
    for variable, fit in FIT.items():
        monkeypatch.setenv(variable, fit)
    assert Settings().environment is Environment.PRODUCTION
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=says) as refused:
        Settings()

    assert RANDOM not in str(refused.value)
    monkeypatch.setenv("BOOKSTORE_ENVIRONMENT", "development")
    assert Settings()


def test_production_without_stripe_has_to_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, fit in FIT.items():
        if not variable.startswith("STRIPE_"):
            monkeypatch.setenv(variable, fit)

    with pytest.raises(ValidationError, match="BOOKSTORE_PAYMENTS_OFF=true"):
        Settings()

    monkeypatch.setenv("BOOKSTORE_PAYMENTS_OFF", "true")
    assert Settings()


def test_a_stand_in_for_stripe_has_to_be_meant_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, fit in FIT.items():
        monkeypatch.setenv(variable, fit)
    monkeypatch.setenv("BOOKSTORE_STRIPE_API_BASE", "http://stripe:8420")

    with pytest.raises(ValidationError, match="BOOKSTORE_STRIPE_STAND_IN=true"):
        Settings()

    monkeypatch.setenv("BOOKSTORE_STRIPE_STAND_IN", "true")
    assert Settings()


@pytest.mark.parametrize("text", ["*", "null", "shop.example", "https://shop.example/", "https://a.example/x"])
def test_only_origins_are_allowed_origins(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        _from_environment(monkeypatch, secret_key=RANDOM, cors_origins=f"https://fine.example, {text}")


@pytest.mark.parametrize("name", ["secret_key", "mongo_url", "mongo_migrate_url", "cache_url", "broker_url"])
def test_secrets_may_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{RANDOM}\n", encoding="utf-8")

    settings = _from_environment(monkeypatch, **({"secret_key": "x" * 32} | {f"{name}_file": str(file)}))

    assert getattr(settings, name).get_secret_value() == RANDOM


def test_the_gateway_s_secrets_have_the_names_that_stripe_gives_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("sk_live_1\n", encoding="utf-8")
    monkeypatch.setenv("STRIPE_API_KEY_FILE", str(file))
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_1")

    settings = _from_environment(monkeypatch, secret_key=RANDOM)

    assert settings.stripe_api_key.get_secret_value() == "sk_live_1"
    assert settings.stripe_webhook_secret.get_secret_value() == "whsec_1"


@pytest.mark.parametrize("name", ["STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_half_a_gateway_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "something")

    with pytest.raises(ValidationError, match="both, or neither"):
        _from_environment(monkeypatch, secret_key=RANDOM)


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _from_environment(monkeypatch, secret_key=RANDOM, mongo_url="mongodb://app:hunter2@host/")

    assert RANDOM not in repr(settings)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("edge_sockets", "edges"),
    [("", ()), ("/run/a.sock", ("/run/a.sock",)), (" /run/a.sock , edge:9999,", ("/run/a.sock", "edge:9999"))],
)
def test_edges_are_a_list_with_commas(
    monkeypatch: pytest.MonkeyPatch, edge_sockets: str, edges: tuple[str, ...]
) -> None:
    assert _from_environment(monkeypatch, secret_key=RANDOM, edge_sockets=edge_sockets).edges == edges


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "staging"),
        ("mongo_pool_size", "4"),
        ("access_token_seconds", "0"),
        ("request_deadline_seconds", "0"),
        ("max_concurrent_requests", "many"),
    ],
)
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        _from_environment(monkeypatch, **({"secret_key": RANDOM} | {name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # A comma without quotes: two addresses, of which the first is "Books".
        ("mail_from", "Books, Inc. <shop@example.com>"),
        ("mail_from", "a@example.com, b@example.com"),
        ("mail_from", "Bookstore"),
        ("mail_from", "Bookstore <shop@example.com"),
        ("mail_from", ""),
        ("mail_from", "Bookstore\r\nBcc: a@example.com <shop@example.com>"),
        ("staff_email", "a@example.com, b@example.com"),
        ("staff_email", "Staff <a@example.com>"),
        ("staff_email", "staff"),
    ],
)
def test_what_no_letter_could_come_from_or_go_to_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ValidationError, match=rf"{name}[\s\S]*one e-mail address"):
        _from_environment(monkeypatch, secret_key=RANDOM, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_from", "shop@example.com"),
        ("mail_from", "Bücher Müller <shop@example.com>"),
        ("mail_from", '"Books, Inc." <shop@example.com>'),
        ("staff_email", "staff@example.com"),
        ("staff_email", ""),
    ],
)
def test_an_address_is_taken_with_a_name_or_without(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert getattr(_from_environment(monkeypatch, secret_key=RANDOM, **{name: value}), name) == value
