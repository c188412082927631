"""The project's own rules: what neither the linter nor the type checker knows. `python -m stack.house_rules`."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stack.profile import REPOSITORY
from stack.references import stale_references

MAX_LINES: Final = 320
SAYS_NOTHING: Final = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"})
PACKAGES: Final = ("app", "workers", "stack", "tests", "bench", "loadtests")


def broken_rules(root: Path) -> Iterator[str]:
    """Yield a sentence for every rule that a file below the root breaks."""
    for path in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = path.relative_to(root).as_posix()
        lines = source.count("\n")
        if lines > MAX_LINES:
            yield f"{name} has {lines} lines; split it ({MAX_LINES} at most)"
        if path.stem in SAYS_NOTHING:
            yield f"{name}: the name says nothing; name it after the one idea that it holds"
        if name.startswith("tests/") or name == "stack/house_rules.py":
            continue
        yield from (f"{name}:{line}: {sentence}" for line, sentence in _in_source(name, source))


def _in_source(name: str, source: str) -> Iterator[tuple[int, str]]:
    domain = name.startswith(("app/services/", "app/models/", "app/search/", "app/cache/", "app/importing/"))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="HTTPException") if domain:
                yield node.lineno, "the domain knows no HTTP; raise an error of app/errors.py"
            case ast.Attribute(attr="with_transaction" | "start_transaction") if (
                name != "app/database.py" and not name.startswith("bench/contenders/")
            ):
                yield node.lineno, "app/database.py is the only place that commits"
            case ast.Attribute(attr="delay" | "apply_async" | "send_task") if name != "workers/outbox_relay.py":
                yield node.lineno, "only the outbox relay rings Celery"
            case ast.Attribute(value=ast.Name(id="datetime"), attr="now" | "utcnow") if (
                name.startswith(("app/", "workers/")) and name != "app/clock.py"
            ):
                yield node.lineno, "ask app/clock.py for the time"
            case ast.Call(func=ast.Name(id="private"), args=[_, ast.Await() as read]) if name.startswith(
                "app/routers/"
            ) and "shop.database" not in ast.unparse(read):
                yield node.lineno, "read by way of Database.fresh: a primary that was just elected may not know it all"
            case ast.Call(func=ast.Name(id="float")) if "money" in name:
                yield node.lineno, "no floats on a money path"
    for number, line in enumerate(source.splitlines(), 1):
        if re.search(r"#\s*(noqa|type: ignore)\s*$", line):
            yield number, "a bare ignore: name the rule"


def main() -> int:
    """Print what is broken; 1 where anything is."""
    found = list(broken_rules(REPOSITORY))
    found += [f"{path.relative_to(REPOSITORY)} is stale; run ./bookstore docs" for path in stale_references()]
    for sentence in found:
        print(sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
