"""Finds in logs what must not be there."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "an access token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}"),
    "a password's hash": re.compile(r"\$argon2id?\$"),
    "a credential in an address": re.compile(r"(mongodb|redis|smtps?)://[^\s:/@\"']+:(?!\*+@)[^\s@\"']+@"),
    "an Authorization header": re.compile(r"Bearer [\w-]{20,}"),
}


def leaks(logs: Path, secrets: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every log that holds one of the secrets, or anything that looks like one."""
    for log in sorted(logs.glob("*.log*")):
        text = log.read_text(encoding="utf-8", errors="replace")
        yield from (f"{log.name} holds {name}" for name, secret in secrets.items() if secret in text)
        yield from (f"{log.name} holds {name}" for name, shape in SHAPES.items() if shape.search(text))


def kept_secrets(state: Path) -> dict[str, str]:
    """The passwords and keys that the local system runs with."""
    values: dict[str, str] = json.loads((state / "secrets.json").read_text(encoding="utf-8"))
    return values
