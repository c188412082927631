"""Runs the README's tour against the system that the tests run on: what it shows is what happens."""

import doctest
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Return each command of the tour with the output shown below it; `...` stands for anything."""
    found: list[tuple[str, str]] = []
    for block in CONSOLE.findall(README):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command, shown))
    return found


def test_the_tour_shows_what_happens() -> None:
    url = os.environ.get("BOOKSTORE_URL")
    if url is None:
        pytest.exit("These tests need the real parts; run them with: ./bookstore test", returncode=2)
    # The system runs already. One shell for all, since later commands use what earlier ones found.
    tour = [(command, shown) for command, shown in steps() if not command.startswith("./bookstore up")]
    script = [f"{command.replace('http://127.0.0.1:8080', url)}\necho '=== end of step'" for command, _ in tour]

    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )

    outputs = done.stdout.split("=== end of step\n")[:-1]
    assert len(outputs) == len(tour), done.stderr
    same = doctest.OutputChecker().check_output
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for (command, shown), output in zip(tour, outputs, strict=True):
        assert same(shown, output, flags), f"$ {command}\nshown:\n{shown}\ngot:\n{output}\n{done.stderr}"
