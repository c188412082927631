"""Runs the command line as a person does, in a process of its own."""

import os
import subprocess
import sys

from stack.profile import REPOSITORY

# What `up` does, with a smaller system than the whole.
UP = """
import sys
import stack.cli
from stack.profile import Profile

smaller = Profile.from_json(sys.argv.pop(1))
stack.cli.default_profile = lambda **_: smaller
stack.cli.main()
"""


def bookstore(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
