"""Makes access tokens for trying things out: each of somebody new, in a session of the running system."""

import subprocess
import sys
from collections.abc import Mapping

from stack.environment import inherited_environment
from stack.errors import StackError
from stack.running import Stack

_SECONDS = 60.0


def access_token(stack: Stack, *, role: str, seconds: int = 900) -> str:
    """A token of somebody new with this role, valid for so many seconds."""
    return minted_token(stack.environment, role=role, seconds=seconds)


def minted_token(environment: Mapping[str, str], *, role: str, seconds: int = 900) -> str:
    """A token as `access_token` makes it, for the system that these environment variables lead to.

    Raises:
        StackError: its database doesn't let us.
    """
    # In a process of its own: Beanie binds the models of a process to one database.
    done = subprocess.run(
        [sys.executable, "-m", "app.account_commands", "token", "--role", role],
        env={**inherited_environment(), **environment, "BOOKSTORE_ACCESS_TOKEN_SECONDS": str(seconds)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"no token could be made: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()
