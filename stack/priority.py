"""Lets a process step back where the processors are all taken."""

import os
import time
from contextlib import suppress
from pathlib import Path

SERVING_NICE = 5
"""For the API and its databases: who asks waits a little, rather than what was promised already, letters above all,
longer and longer. Both, for where the API alone steps back its databases commit one by one what they did together."""

_TRIES, _PAUSE = 20, 0.1


def step_back(pid: int, nice: int) -> None:
    """Let others go first: its session among sessions, or, where the kernel doesn't group those, itself (sched(7)).

    `nice` is 0 to 19. Takes two seconds at most: who isn't root may change one session in a tenth of a second.
    """
    with suppress(ProcessLookupError):  # dead already, which is somebody else's to see
        os.setpriority(os.PRIO_PROCESS, pid, min(os.getpriority(os.PRIO_PROCESS, 0) + nice, 19))
    for _ in range(_TRIES):
        if _session_stepped_back(pid, nice):
            break
        time.sleep(_PAUSE)


def _session_stepped_back(pid: int, nice: int) -> bool:
    """Whether it did, or can't: there are no such groups here, or they aren't ours to change."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}", encoding="ascii")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
