"""Waiting for conditions, with a deadline that only a broken program meets."""

import time
from collections.abc import Callable

_GENEROUS_SECONDS = 60.0


def eventually(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + _GENEROUS_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} didn't happen within {_GENEROUS_SECONDS:.0f} s"
        time.sleep(0.02)
