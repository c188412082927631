"""Makes and keeps the local system's passwords and keys."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.errors import StackError


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """One set per state folder, shared by its profiles."""

    mongo_root_password: str
    mongo_app_password: str
    mongo_migrate_password: str
    mongo_keyfile: str
    secret_key: str
    stripe_api_key: str
    stripe_webhook_secret: str


def generate_secrets() -> Secrets:
    """Fresh random values."""
    return Secrets(
        mongo_root_password=secrets.token_hex(24),
        mongo_app_password=secrets.token_hex(24),
        mongo_migrate_password=secrets.token_hex(24),
        mongo_keyfile=base64.b64encode(secrets.token_bytes(96)).decode(),
        secret_key=secrets.token_hex(32),
        stripe_api_key=f"sk_test_{secrets.token_hex(12)}",
        stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
    )


def load_secrets(state: Path) -> Secrets:
    """Read secrets.json, making it (readable by its owner alone) the first time."""
    file = state / "secrets.json"
    state.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        _write_once(file, generate_secrets())
    try:
        return Secrets(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise StackError(
            f"{file} can't be read ({error}); remove it and the data that it opens: rm -r {file} {state}/up"
        ) from error


def _write_once(file: Path, values: Secrets) -> None:
    # Linked into place complete: of two first runs at once, both read the same secrets.
    draft = file.with_name(f".secrets-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(values), out, indent=2)
    try:
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()
