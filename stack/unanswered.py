"""Says in a sentence what databases that give no answer keep us from."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from stack.errors import StackError

_SHOWN = 200


@contextmanager
def answers_wanted(otherwise: str) -> Iterator[None]:
    """Turn the driver's complaint into a StackError, which begins with what can't be done otherwise."""
    try:
        yield
    except PyMongoError as error:
        raise StackError(
            f"{otherwise}; once ./bookstore status shows a primary, run it again ({str(error)[:_SHOWN]})"
        ) from error
