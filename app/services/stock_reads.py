"""Tells what is available right now, with one question to the database for all who ask at once."""

from collections.abc import Iterable, Mapping
from typing import Final

from app import clock
from app.cache.flights import Flights
from app.database import Database
from app.models.inventory import Inventory

PLENTY: Final = 200
"""With so many copies nobody looks before they order: that the last one goes meanwhile is unlikely, and found out."""

_REMEMBERED_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 10_000


class StockReads:
    """Reads of the stock that began after they were asked for: as fresh as a read of one's own, and shared."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._database = database
        self._flights: Flights[Mapping[str, int]] = Flights()
        self._read: dict[str, tuple[float, int]] = {}
        self._few: dict[str, float] = {}

    async def available(self, book_ids: Iterable[str]) -> Mapping[str, int]:
        """Return how many copies of each of these books can be sold; books that there aren't are left out."""
        asked = tuple(sorted(set(book_ids)))

        async def read() -> Mapping[str, int]:
            began = clock.monotonic()
            stocks = await self._database.fresh(lambda: Inventory.of_books(asked))
            found = {book_id: stock.available for book_id, stock in stocks.items()}
            for book_id, copies in found.items():
                self._remember(book_id, began, copies)
            self.heed(found)
            return found

        return await self._flights.join(asked, read)

    def since(self, moment: float, book_id: str) -> int | None:
        """Return how many copies the last read saw that began at this moment of the monotonic clock or later."""
        began, copies = self._read.get(book_id, (0.0, 0))
        return copies if began >= moment else None

    def are_few(self, book_id: str) -> bool:
        """Tell whether there were few copies when anybody of this process last looked, not long ago."""
        return clock.monotonic() < self._few.get(book_id, 0.0)

    def heed(self, available: Mapping[str, int]) -> None:
        """Take a hint of how many copies there are, from whoever moved some."""
        for book_id, copies in available.items():
            if copies >= PLENTY:
                self._few.pop(book_id, None)
                continue
            if len(self._few) >= _MOST_REMEMBERED:
                self._few.clear()
            self._few[book_id] = clock.monotonic() + _REMEMBERED_SECONDS

    def _remember(self, book_id: str, began: float, copies: int) -> None:
        if len(self._read) >= _MOST_REMEMBERED:
            self._read.clear()
        if began >= self._read.get(book_id, (0.0, 0))[0]:
            self._read[book_id] = began, copies
