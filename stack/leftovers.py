"""Finds and ends what an earlier run left behind when its supervisor died."""

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from stack.environment import MARK

_WAIT_SECONDS = 10.0


def marked_processes(folder: Path) -> list[int]:
    """Processes of mine that carry this folder's mark in their environment: no stranger does, whatever its pid."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _carries_mark(entry, folder)
    ]


def end_leftovers(folder: Path) -> int:
    """Kill every process that carries the folder's mark, wait until they are gone, and say how many there were."""
    ended = 0
    for pid in marked_processes(folder):
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                # Looked at again behind the handle: the number can't have passed to another process since.
                if _carries_mark(Path("/proc") / str(pid), folder):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], _WAIT_SECONDS)
                    ended += 1
            finally:
                os.close(handle)
    return ended


def _carries_mark(entry: Path, folder: Path) -> bool:
    try:
        return f"{MARK}={folder}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False
