"""Makes accounts in the running system: tokens of somebody new for trying things out, and administrators."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

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
    return _ask({**environment, "BOOKSTORE_ACCESS_TOKEN_SECONDS": str(seconds)}, "token", "--role", role)


def make_admin(stack: Stack, email: str, *, password: str | None) -> dict[str, Any]:
    """Make an administrator: `{"id", "username", "password"}`, the last where one was made up.

    Raises:
        StackError: that is no e-mail address, or the password is no good.
    """
    # In the environment, where other users of this machine don't see it as they would see an argument.
    secret = {"BOOKSTORE_ADMIN_PASSWORD": password} if password else {}
    made: dict[str, Any] = json.loads(_ask({**stack.environment, **secret}, "create-admin", email))
    return made


def _ask(environment: Mapping[str, str], *command: str) -> str:
    # In a process of its own: Beanie binds the models of a process to one database.
    done = subprocess.run(
        [sys.executable, "-m", "app.account_commands", *command],
        env={**inherited_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        process_group=0,  # Ctrl-C is ours to hear: it would fail with a traceback, and we would take that for an answer
    )
    if done.returncode != 0:
        raise StackError(done.stderr.strip()[-500:] or "it failed without a word")
    return done.stdout.strip()
