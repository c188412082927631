"""`test`: a fresh system of its own, pytest against it, everything stopped."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stack.profile import REPOSITORY, state_folder, throwaway_profile
from stack.running import Stack, running_stack
from stack.up import Progress


def run_tests(arguments: Sequence[str]) -> int:
    """Start the profile `test`, run pytest with these arguments, stop everything; returns pytest's exit code."""
    with _own_name() as name, Progress() as progress:
        profile = throwaway_profile(name)
        with running_stack(profile, listener=progress.show) as stack:
            progress.close()
            return _run_pytest(stack, arguments)


def test_environment(stack: Stack) -> dict[str, str]:
    """The variables by which tests find the system that was started for them."""
    return {
        **stack.environment,
        "BOOKSTORE_URL": stack.url,
        "BOOKSTORE_PROFILE": stack.profile.name,
        "BOOKSTORE_STATE": str(stack.profile.folder.parent),
        "BOOKSTORE_STATE_PROFILE": str(stack.profile.folder),
    }


def _run_pytest(stack: Stack, arguments: Sequence[str]) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--rootdir",
        str(REPOSITORY),
        "-c",
        str(REPOSITORY / "pyproject.toml"),
        *arguments,
    ]
    with subprocess.Popen(command, env={**os.environ, **test_environment(stack)}, cwd=REPOSITORY) as pytest:
        while True:
            try:
                return pytest.wait()
            except KeyboardInterrupt:
                continue  # pytest got it as well, and says goodbye in its own way


@contextmanager
def _own_name() -> Iterator[str]:
    # Two test runs at once get a folder each.
    state_folder().mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        name = "test" if number == 1 else f"test-{number}"
        with (state_folder() / f"{name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            yield name
            return
