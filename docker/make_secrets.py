"""Makes the composed system's secrets once, each in a file that only its reader may open; a second run keeps them."""

import base64
import os
import secrets
import sys
from pathlib import Path

DATABASE_USER = 999
APPLICATION_USER = 10001
MEMBERS = "mongo-1:27017,mongo-2:27017,mongo-3:27017"


def make_secrets(folder: Path, *, for_migration: Path, for_stand_in: Path) -> None:
    """Fill the folders with what isn't there yet; each container is shown those alone that it reads."""
    passwords = {user: _keep(folder / "mongo" / f"{user}_password", secrets.token_hex(24), owner=DATABASE_USER)
                 for user in ("root", "app", "migrate")}  # fmt: skip
    urls = {user: f"mongodb://bookstore_{user}:{passwords[user]}@{MEMBERS}/?replicaSet=bookstore&authSource=admin"
            for user in ("app", "migrate")}  # fmt: skip
    _keep(folder / "mongo" / "keyfile", base64.b64encode(secrets.token_bytes(96)).decode(), owner=DATABASE_USER)
    _keep(folder / "app" / "secret_key", secrets.token_hex(32), owner=APPLICATION_USER)
    _keep(folder / "app" / "mongo_app_url", urls["app"], owner=APPLICATION_USER)
    # Known to the stand-in for Stripe alone; Stripe's own come from docker-compose.stripe.yml.
    _keep(folder / "app" / "stripe_api_key", f"sk_test_{secrets.token_hex(24)}", owner=APPLICATION_USER)
    signing = _keep(folder / "app" / "stripe_webhook_secret", f"whsec_{secrets.token_hex(24)}", owner=APPLICATION_USER)
    _keep(for_stand_in / "stripe_webhook_secret", signing, owner=APPLICATION_USER)
    _keep(for_migration / "mongo_migrate_url", urls["migrate"], owner=APPLICATION_USER)
    # Where shops that are older kept it, for every replica to read.
    (folder / "app" / "mongo_migrate_url").unlink(missing_ok=True)


def _keep(file: Path, fresh: str, *, owner: int) -> str:
    if not file.exists():
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(fresh)
        os.chown(draft, owner, owner)
        draft.rename(file)
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    make_secrets(Path(sys.argv[1]), for_migration=Path(sys.argv[2]), for_stand_in=Path(sys.argv[3]))
