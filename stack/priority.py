"""Lets a process go first where the processors are all taken."""

import os
import time
from contextlib import suppress
from pathlib import Path

PROMISED_NICE = -5
"""For what keeps promises, letters above all: three times the share of those who make new ones."""

_TRIES, _PAUSE = 20, 0.1


def go_first(pid: int, nice: int) -> None:
    """Let it go before others: its session among sessions, or, where the kernel doesn't group those, itself (sched(7)).

    `nice` is -20 to 0. Takes two seconds at most. Who isn't root may not, and leaves it as it is.
    """
    with suppress(ProcessLookupError, PermissionError):  # it is dead, which is somebody else's to see
        os.setpriority(os.PRIO_PROCESS, pid, max(os.getpriority(os.PRIO_PROCESS, 0) + nice, -20))
    for _ in range(_TRIES):
        if _session_goes_first(pid, nice):
            break
        time.sleep(_PAUSE)


def _session_goes_first(pid: int, nice: int) -> bool:
    """Whether it does, or can't: there are no such groups here, or they aren't ours to change."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}", encoding="ascii")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
