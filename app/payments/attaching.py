"""Notes which intent the gateway made for which payment: for many at once where many buy.

A write that waits for a majority costs about as much for one as for ten (group commit: DeWitt et al., SIGMOD 1984).
"""

from collections.abc import Sequence
from typing import Final

from app.cache.batching import Together
from app.database import Database
from app.models.payment import MadeIntent, Payment

_AT_MOST: Final = 32
_PAUSE_SECONDS: Final = 0.04
"""A buyer waits several times as long for a processor where so many are served that somebody is waited for."""


class Attachments:
    """Attaches intents, those of one moment in one write."""

    def __init__(self, database: Database) -> None:
        """Take what tells whether many are served."""
        self._together = Together(
            self._attach, at_most=_AT_MOST, pause=lambda: _PAUSE_SECONDS if database.is_crowded else 0.0
        )

    async def attach(self, intent: MadeIntent) -> bool:
        """Tell whether the payment has this intent now, on a majority. If not it may have it or not: look alone.

        Raises:
            PyMongoError: nobody knows.
        """
        return await self._together(intent)

    async def _attach(self, intents: Sequence[MadeIntent]) -> Sequence[bool]:
        return [await Payment.attach_intents(intents)] * len(intents)
