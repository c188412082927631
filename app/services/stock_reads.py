"""Tells what is available right now, with one question to the database for all who ask at once."""

from collections.abc import Iterable, Mapping

from app.cache.flights import Flights
from app.database import Database
from app.models.inventory import Inventory


class StockReads:
    """Reads of the stock that began after they were asked for: as fresh as a read of one's own, and shared."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self._database = database
        self._flights: Flights[Mapping[str, int]] = Flights()

    async def available(self, book_ids: Iterable[str]) -> Mapping[str, int]:
        """Return how many copies of each of these books can be sold; books that there aren't are left out."""
        asked = tuple(sorted(set(book_ids)))

        async def read() -> Mapping[str, int]:
            stocks = await self._database.fresh(lambda: Inventory.of_books(asked))
            return {book_id: stock.available for book_id, stock in stocks.items()}

        return await self._flights.join(asked, read)
