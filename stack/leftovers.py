"""Finds and ends what an earlier run left behind when its supervisor died.

A process is ours when its pid and start time are those that the supervisor noted, or when it carries the folder's mark
in its environment. Children of children are known by the mark alone; Redis, which writes its title over its
environment, by the note alone. No stranger is either, whatever its pid.
"""

import json
import os
import select
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stack.drafts import write_whole
from stack.environment import MARK

_WAIT_SECONDS = 10.0


def note_processes(folder: Path, pids: Iterable[int]) -> None:
    """Write down which processes run now."""
    write_whole(_note(folder), json.dumps({pid: _start_time(pid) for pid in pids}))


def left_processes(folder: Path) -> list[int]:
    """The folder's processes that are alive."""
    noted = _read_note(folder)
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_ours(pid, folder, noted)]


def end_leftovers(folder: Path) -> int:
    """Kill the folder's processes, wait until they are gone, and say how many there were."""
    noted = _read_note(folder)
    ended = 0
    for pid in left_processes(folder):
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                # Looked at again behind the handle: the number can't have passed to another process since.
                if _is_ours(pid, folder, noted):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], _WAIT_SECONDS)
                    ended += 1
            finally:
                os.close(handle)
    return ended


def _is_ours(pid: int, folder: Path, noted: dict[str, int | None]) -> bool:
    started = _start_time(pid)
    return started is not None and (noted.get(str(pid)) == started or _carries_mark(pid, folder))


def _carries_mark(pid: int, folder: Path) -> bool:
    try:
        return f"{MARK}={folder}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False


def _start_time(pid: int) -> int | None:
    """In clock ticks since the machine started; none for a process that is dead or waits to be buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _note(folder: Path) -> Path:
    return folder / "run" / "processes.json"


def _read_note(folder: Path) -> dict[str, int | None]:
    try:
        noted: dict[str, int | None] = json.loads(_note(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none was written, or a full disk cut it off
        return {}
    return noted
