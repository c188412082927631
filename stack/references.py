"""Writes the reference pages that say what the code says: settings and problem codes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.problem_codes import CODES
from app.settings import Settings
from stack.profile import REPOSITORY

_GENERATED: Final = "<!-- Written by `./bookstore docs`; a test fails when it is stale. -->\n\n"


def configuration() -> str:
    """Return docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "What the application reads, all of it from the environment. `./bookstore up` sets what is needed; in",
        "production you do. HAProxy's variables are in haproxy/README.md, Docker's at the top of docker-compose.yml.",
        "",
        "| Variable | Default | What it is |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = getattr(default, "get_secret_value", lambda default=default: default)()
        value = "" if shown in (None, "") else f"`{getattr(shown, 'value', shown)}`"
        lines.append(f"| `{field.alias or f'BOOKSTORE_{name.upper()}'}` | {value} | {field.description} |")
    return _GENERATED + "\n".join(lines) + "\n"


def problem_codes() -> str:
    """Return docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "Every answer that isn't 2xx or 3xx is a problem document (RFC 9457), `application/problem+json`. Its `code`",
        "is stable; build on it, not on `detail`. `retryable` says that the same request may succeed when sent again;",
        "with an `Idempotency-Key` that is always safe. 2xx: durable on a majority of the replica set. 4xx: nothing",
        "happened, but for two. After `payment_declined` the order waits to be paid, also one that was placed with the",
        "same request; its history says that a card was refused, and its buyer gets a letter. And a refresh token that",
        "was used before ends its session. 5xx or a lost connection: unknown, so repeat it with the same key.",
        "",
        "| Code | Status | Again? | What it means |",
        "|---|---|---|---|",
    ]
    lines += [
        f'| <a id="{name}"></a>`{name}` | {code.status} | {"yes" if code.retryable else ""} | {code.meaning} |'
        for name, code in CODES.items()
    ]
    return _GENERATED + "\n".join(lines) + "\n"


PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    REPOSITORY / "docs/configuration.md": configuration,
    REPOSITORY / "docs/errors.md": problem_codes,
}


def write_references() -> list[Path]:
    """Write every page that is stale; return those."""
    stale = stale_references()
    for path in stale:
        path.write_text(PAGES[path](), encoding="utf-8")
    return stale


def stale_references() -> list[Path]:
    """Return the pages that don't say what the code says."""
    return [path for path, page in PAGES.items() if not path.exists() or path.read_text(encoding="utf-8") != page()]
