"""Moves copies between the shelf, the orders that hold them and those that bought them, with a row for each move."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from app.cache import tags
from app.errors import InsufficientStock
from app.events import Event
from app.idempotency import Attempt
from app.ids import BookId, OrderId
from app.models.book import Book
from app.models.inventory import Inventory, MovementKind, StockMovement
from app.models.outbox_event import OutboxEvent
from app.schemas.book import Availability


class Copies(Protocol):
    """So many copies of a book."""

    @property
    def book_id(self) -> BookId:
        """Which book."""
        ...

    @property
    def quantity(self) -> int:
        """How many copies."""
        ...


class Move(StrEnum):
    """What happens to an order's copies."""

    HOLD = "hold"
    RELEASE = "release"
    SELL = "sell"
    TAKE_BACK = "take_back"


_BY: Final = {
    Move.HOLD: (Inventory.hold, MovementKind.HELD, 0, +1),
    Move.RELEASE: (Inventory.release, MovementKind.RELEASED, 0, -1),
    Move.SELL: (Inventory.sell, MovementKind.SOLD, -1, -1),
    Move.TAKE_BACK: (Inventory.take_back, MovementKind.RETURNED, +1, 0),
}
"""What each move does, its kind, and its signs in on_hand and held."""


def turn_at(book_id: str) -> str:
    """Return the name of the queue of those who will write a book's stock."""
    return f"stock {book_id}"


async def move_copies(
    move: Move, order_id: OrderId, lines: Sequence[Copies], *, actor: str, at: datetime, attempt: Attempt
) -> dict[str, int]:
    """Move the copies of an order's lines, in the order of the books' ids, within the caller's transaction.

    Returns how many copies of each book are available then.

    Raises:
        InsufficientStock: too few copies to hold, with every line that is short.
    """
    _, kind, on_hand_sign, held_sign = _BY[move]
    movements: list[StockMovement] = []
    available: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: line.book_id):
        after = await _moved(move, line, at=at, attempt=attempt)
        if after is None:
            if move is not Move.HOLD:
                raise RuntimeError(f"the stock of {line.book_id} doesn't have what order {order_id} says")
            raise await _refusal(lines, attempt, held=movements)
        available[line.book_id] = after.available
        movements.append(
            StockMovement(
                book_id=line.book_id,
                kind=kind,
                delta=on_hand_sign * line.quantity,
                held_delta=held_sign * line.quantity,
                on_hand_after=after.on_hand,
                order_id=order_id,
                actor=actor,
                at=at,
            )
        )
    await StockMovement.add(movements, attempt.session)
    return available


async def show_availability(before: Availability, after: Inventory, *, at: datetime, attempt: Attempt) -> None:
    """Let shoppers see another availability with the same commit, if it is another one."""
    if before is after.availability:
        return
    if await Book.set_availability(after.id, after.availability, at=at, session=attempt.session):
        book = await Book.of_id(after.id, attempt.session)
        if book is not None:
            attempt.touch(tags.of_availability(book.view()))
    if before is Availability.IN_STOCK:
        # In the transaction that brought it down, and only in that one: one alert each time.
        await OutboxEvent.add(Event("stock.low", after.id, {"available": after.available}), session=attempt.session)


async def _moved(move: Move, line: Copies, *, at: datetime, attempt: Attempt) -> Inventory | None:
    step, _, on_hand_sign, held_sign = _BY[move]
    after = await step(line.book_id, line.quantity, at=at, session=attempt.session)
    if after is not None:
        freed = (on_hand_sign - held_sign) * line.quantity
        await show_availability(after.availability_with(after.available - freed), after, at=at, attempt=attempt)
    return after


async def _refusal(lines: Sequence[Copies], attempt: Attempt, *, held: Sequence[StockMovement]) -> InsufficientStock:
    stocks = await Inventory.of_books([line.book_id for line in lines], attempt.session)
    own = {movement.book_id: movement.held_delta for movement in held}
    available = {line.book_id: 0 for line in lines}
    available |= {book_id: stock.available + own.get(book_id, 0) for book_id, stock in stocks.items()}
    return insufficient([(line.book_id, line.quantity) for line in lines], available)


def insufficient(wanted: Sequence[tuple[str, int]], available: Mapping[str, int]) -> InsufficientStock:
    """Return the refusal that names every line of which there is too little."""
    return InsufficientStock(
        "There are too few copies; see lines.",
        lines=[
            {"book_id": book_id, "requested": copies, "available": max(available[book_id], 0)}
            for book_id, copies in wanted
            if copies > available[book_id]
        ],
    )
