"""What can go wrong for a person at the keyboard."""


class StackError(Exception):
    """One sentence that says what is wrong and what to do; the CLI prints it and exits with 1."""


class NotRunningError(StackError):
    """No supervisor answers for this profile."""
