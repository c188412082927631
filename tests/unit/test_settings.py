import os
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


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize("secret", [None, "", "short", "x" * 31])
def test_a_short_secret_is_refused_everywhere(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, secret: str | None
) -> None:
    given: dict[str, Any] = {} if secret is None else {"secret_key": secret}

    with pytest.raises(ValidationError, match="BOOKSTORE_SECRET_KEY"):
        _from_environment(monkeypatch, environment=environment.value, **given)


@pytest.mark.parametrize("secret", ["x" * 64, "abcabcabc" * 8, "0123456789" * 4])
def test_production_refuses_a_secret_that_is_not_random(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    _from_environment(monkeypatch, environment="development", secret_key=secret)

    with pytest.raises(ValidationError, match="isn't random"):
        _from_environment(monkeypatch, environment="production", secret_key=secret)
    assert _from_environment(monkeypatch, environment="production", secret_key=RANDOM)


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
