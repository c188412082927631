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
    # when
    make_secrets(tmp_path)
    first = {
        file.relative_to(tmp_path): file.read_text(encoding="utf-8") for file in tmp_path.rglob("*") if file.is_file()
    }
    make_secrets(tmp_path)
    again = {
        file.relative_to(tmp_path): file.read_text(encoding="utf-8") for file in tmp_path.rglob("*") if file.is_file()
    }
    # then
    names = {"mongo/root_password", "mongo/app_password", "mongo/migrate_password", "mongo/keyfile", "app/secret_key",
             "app/mongo_app_url", "app/mongo_migrate_url", "app/stripe_api_key",
             "app/stripe_webhook_secret"}  # fmt: skip
    assert {str(name) for name in first} == names
    assert first == again
    assert len(set(first.values())) == len(names)
    assert first[Path("mongo/app_password")] in first[Path("app/mongo_app_url")]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o400}
