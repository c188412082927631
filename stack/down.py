"""`down`: stops the system, cleans up after one whose supervisor died, and wipes its data when asked."""

import shutil
from pathlib import Path

from stack.display import console
from stack.errors import NotRunningError
from stack.leftovers import end_leftovers
from stack.running import Stack


def take_down(folder: Path, *, wipe: bool) -> None:
    """Stop what runs in the folder; nothing running is fine, too."""
    try:
        Stack.somewhere_in(folder).stop()
        console.print("Stopped.")
    except NotRunningError:
        left = end_leftovers(folder)
        console.print(
            f"Cleaned up {left} processes of an earlier run that ended badly." if left else "Nothing was running."
        )
    if wipe:
        shutil.rmtree(folder, ignore_errors=True)
        console.print("Its data is deleted.")
