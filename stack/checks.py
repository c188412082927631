"""`check`: everything that can be told without running the system."""

import subprocess
import sys
import time

from stack.advisories import UNKNOWN
from stack.display import console
from stack.profile import REPOSITORY

_PYTHON = "app", "workers", "stack", "tests", "bench", "loadtests"


def run_checks() -> int:
    """Run lint, format, types, layers and the project's own rules; return 0 when all of them hold."""
    code = [folder for folder in _PYTHON if (REPOSITORY / folder).is_dir()]
    checks = {
        "lint": ["ruff", "check", "--quiet", *code],
        "format": ["ruff", "format", "--check", "--quiet", *code],
        "types": ["mypy", *code],
        "layers": ["importlinter.cli", "lint"],
        "house rules": ["stack.house_rules"],
        "advisories": ["stack.advisories"],
    }
    failed = [name for name, command in checks.items() if not _holds(name, command)]
    return 1 if failed else 0


def _holds(name: str, command: list[str]) -> bool:
    started = time.monotonic()
    module = [sys.executable, "-m", *command]
    if command[0] == "importlinter.cli":
        module = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(module, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    verdict = {0: "[green]holds[/]", UNKNOWN: "[yellow]unknown[/]"}.get(done.returncode, "[red]broken[/]")
    console.print(f"{name:12} {verdict}  {seconds:5.1f} s")
    if done.returncode != 0:
        console.print(done.stdout + done.stderr, markup=False, highlight=False)
    return done.returncode in {0, UNKNOWN}
