"""Makes the composed system's secrets once, each in a file that only its reader may open; a second run keeps them."""

import base64
import os
import secrets
import sys
from pathlib import Path

DATABASE_USER = 999
APPLICATION_USER = 10001
MEMBERS = "mongo-1:27017,mongo-2:27017,mongo-3:27017"


def make_secrets(folder: Path) -> None:
    """Fill the folder with what isn't there yet."""
    passwords = {user: _keep(folder / "mongo" / f"{user}_password", secrets.token_hex(24), owner=DATABASE_USER)
                 for user in ("root", "app", "migrate")}  # fmt: skip
    _keep(folder / "mongo" / "keyfile", base64.b64encode(secrets.token_bytes(96)).decode(), owner=DATABASE_USER)
    _keep(folder / "app" / "secret_key", secrets.token_hex(32), owner=APPLICATION_USER)
    # Known to the stand-in for Stripe alone; Stripe's own come from docker-compose.stripe.yml.
    _keep(folder / "app" / "stripe_api_key", f"sk_test_{secrets.token_hex(24)}", owner=APPLICATION_USER)
    _keep(folder / "app" / "stripe_webhook_secret", f"whsec_{secrets.token_hex(24)}", owner=APPLICATION_USER)
    for user in ("app", "migrate"):
        url = f"mongodb://bookstore_{user}:{passwords[user]}@{MEMBERS}/?replicaSet=bookstore&authSource=admin"
        _keep(folder / "app" / f"mongo_{user}_url", url, owner=APPLICATION_USER)


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
    make_secrets(Path(sys.argv[1]))
