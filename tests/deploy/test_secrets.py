"""The composed system's secrets: made once, readable by one user, never made again."""

import runpy
import stat
from pathlib import Path

import pytest

MAKE = Path(__file__).parents[2] / "docker" / "make_secrets.py"


def test_secrets_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a user who may not give files away
    monkeypatch.setattr("os.chown", lambda *_: None)
    make_secrets = runpy.run_path(str(MAKE))["make_secrets"]
    places = {"for_migration": tmp_path / "migrate", "for_stand_in": tmp_path / "stripe"}

    def made() -> dict[str, str]:
        make_secrets(tmp_path / "shop", **places)
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        return {str(file.relative_to(tmp_path)): file.read_text(encoding="utf-8") for file in files}

    # when
    first, again = made(), made()

    # then
    assert set(first) == {
        "shop/mongo/root_password", "shop/mongo/app_password", "shop/mongo/migrate_password", "shop/mongo/keyfile",
        "shop/app/secret_key", "shop/app/mongo_app_url", "shop/app/stripe_api_key", "shop/app/stripe_webhook_secret",
        "migrate/mongo_migrate_url", "stripe/stripe_webhook_secret",
    }  # fmt: skip
    assert first == again
    assert first["stripe/stripe_webhook_secret"] == first["shop/app/stripe_webhook_secret"]
    assert len(set(first.values())) == len(first) - 1
    for user, url in (("app", "shop/app/mongo_app_url"), ("migrate", "migrate/mongo_migrate_url")):
        assert first[f"shop/mongo/{user}_password"] in first[url]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in first} == {0o400}


def test_an_older_shop_keeps_its_secrets_and_shows_its_replicas_one_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the address of the user who may change indexes, where every replica could read it
    monkeypatch.setattr("os.chown", lambda *_: None)
    make_secrets = runpy.run_path(str(MAKE))["make_secrets"]
    password, exposed = tmp_path / "mongo" / "migrate_password", tmp_path / "app" / "mongo_migrate_url"
    for file in (password, exposed):
        file.parent.mkdir()
        file.write_text("kept", encoding="utf-8")

    # when
    make_secrets(tmp_path, for_migration=tmp_path / "migrate", for_stand_in=tmp_path / "stripe")

    # then
    assert not exposed.exists()
    assert password.read_text(encoding="utf-8") == "kept"
    assert ":kept@" in (tmp_path / "migrate" / "mongo_migrate_url").read_text(encoding="utf-8")
