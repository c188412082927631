"""Lets one replica die at a chosen step, as by `kill -9`; the file that `DIE_ONCE` names says that it has."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

patch = pytest.MonkeyPatch()


def die_after(owner: type, name: str) -> Callable[[], None]:
    """Return a step that kills who did this."""
    return _deadly(owner, name, first=False)


def die_before(owner: type, name: str) -> Callable[[], None]:
    """Return a step that kills who is about to do this."""
    return _deadly(owner, name, first=True)


def _deadly(owner: type, name: str, *, first: bool) -> Callable[[], None]:
    def sabotage() -> None:
        intact = getattr(owner, name)

        async def deadly(*given: Any, **named: Any) -> Any:
            if first:
                _die_once()
            result = await intact(*given, **named)
            _die_once()
            return result

        patch.setattr(owner, name, deadly)

    return sabotage


def _die_once() -> None:
    with suppress(FileExistsError):
        os.close(os.open(os.environ["DIE_ONCE"], os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
