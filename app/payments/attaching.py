"""Notes which intent the gateway made for which payment: for many at once where many buy.

A write that waits for a majority costs about as much for one as for ten (group commit: DeWitt et al., SIGMOD 1984).
"""

from collections.abc import Sequence
from typing import Final

from app.cache.batching import Together
from app.database import Database
from app.models.payment import MadeIntent, Payment

_AT_MOST: Final = 32
_PAUSE_SECONDS: Final = 0.02
"""How long the first waits for others, for each transaction that is under way: whoever is in one comes next, and where
so many are served somebody is waited for anyway."""

_LONGEST_PAUSE_SECONDS: Final = 0.1


class Attachments:
    """Attaches intents, those of one moment in one write."""

    def __init__(self, database: Database) -> None:
        """Take what tells how many are served."""
        self._database = database
        self._together = Together(self._attach, at_most=_AT_MOST, pause=self._pause)

    async def attach(self, intent: MadeIntent) -> bool:
        """Tell whether the payment has this intent now, on a majority. If not it may have it or not: look alone.

        Raises:
            PyMongoError: nobody knows.
        """
        return await self._together(intent)

    async def _attach(self, intents: Sequence[MadeIntent]) -> Sequence[bool]:
        return [await Payment.attach_intents(intents)] * len(intents)

    def _pause(self) -> float:
        return min(_PAUSE_SECONDS * self._database.under_way, _LONGEST_PAUSE_SECONDS)
