"""What can go wrong for a person at the keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager


class StackError(Exception):
    """One sentence that says what is wrong and what to do; the CLI prints it and exits with 1."""


class NotRunningError(StackError):
    """No supervisor answers for this profile."""


class NoVerdictError(StackError):
    """What was to be judged couldn't be looked at; the CLI exits with UNKNOWN, since a bad verdict's exit code is 1."""


@contextmanager
def judging() -> Iterator[None]:
    """Tell what went wrong meanwhile from a bad verdict."""
    try:
        yield
    except StackError as error:
        raise NoVerdictError(str(error)) from error
