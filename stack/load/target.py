"""Finds a system to put under load: the one that runs, or one for this alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from stack.display import console
from stack.errors import NotRunningError
from stack.profile import default_profile, throwaway_profile
from stack.running import Stack, running_stack
from stack.up import Progress


@contextmanager
def system_at_hand() -> Iterator[Stack]:
    """What `up` runs; where nothing runs, a system that starts now, empty, and is stopped afterwards."""
    try:
        stack = Stack.running_in(default_profile().folder)
    except NotRunningError:
        console.print("Nothing is running; starting a system for this alone, and stopping it afterwards.")
        with Progress() as progress, running_stack(throwaway_profile("demo"), listener=progress.show) as own:
            progress.close()
            yield own
    else:
        console.print(f"Using the system that runs at {stack.url}.", highlight=False)
        yield stack
