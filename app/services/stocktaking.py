"""Keeps the stock: staff look at it, put copies in, take them out, and see what happened."""

from app import clock
from app.errors import InsufficientStock, NotFound
from app.idempotency import Answer, Attempt, Once, Writer
from app.models.inventory import Inventory, MovementKind, StockMovement
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.schemas.inventory import InventoryChange, InventoryView, MovementView
from app.services.shelf import show_availability, turn_at


def inventory_view(inventory: Inventory) -> InventoryView:
    """Return the stock as staff see it."""
    return InventoryView(
        book_id=inventory.id,
        on_hand=inventory.on_hand,
        held=inventory.held,
        available=inventory.available,
        low_stock_threshold=inventory.low_stock_threshold,
        updated_at=inventory.updated_at,
    )


async def get_inventory(book_id: str) -> InventoryView:
    """Return the stock of a book.

    Raises:
        NotFound: there is no such book.
    """
    inventory = await Inventory.find_one({"_id": book_id})
    if inventory is None:
        raise NotFound("There is no such book.")
    return inventory_view(inventory)


async def change_stock(
    writer: Writer, book_id: str, change: InventoryChange, *, actor: str, once: Once[InventoryView]
) -> Answer:
    """Put copies in, take them out, or say how many there are; the movement is kept with who did it and why.

    Shoppers see another availability with the same commit.

    Raises:
        NotFound: there is no such book.
        InsufficientStock: fewer copies would be left than orders hold.
    """

    async def work(attempt: Attempt) -> InventoryView:
        before = await Inventory.find_one({"_id": book_id}, session=attempt.session)
        if before is None:
            raise NotFound("There is no such book.")
        delta = change.delta if change.delta is not None else (change.set or 0) - before.on_hand
        moment = clock.now()
        after = await Inventory.add_stock(book_id, delta, at=moment, session=attempt.session)
        if after is None:
            line = {"book_id": book_id, "requested": -delta, "available": before.available}
            raise InsufficientStock("Fewer copies would be left than orders hold.", lines=[line])
        if delta:
            await StockMovement(
                book_id=after.id,
                kind=MovementKind.RESTOCK if change.delta is not None and delta > 0 else MovementKind.CORRECTION,
                delta=delta,
                on_hand_after=after.on_hand,
                reason=change.reason,
                actor=actor,
                at=moment,
            ).insert(session=attempt.session)
            await show_availability(before.availability, after, at=moment, attempt=attempt)
        return inventory_view(after)

    return await once.perform(writer, work, in_turn=[turn_at(book_id)])


async def list_movements(book_id: str, *, page: PageRequest) -> Page[MovementView]:
    """Return what happened to a book's stock, the newest first.

    Raises:
        NotFound: there is no such book.
    """
    await get_inventory(book_id)
    before = page.after[0] if page.after else None
    found = await StockMovement.of_book(book_id, before=before, limit=page.fetch)
    total = await StockMovement.count_of_book(book_id, at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return page.page_of([((one.id,), MovementView.model_validate(one)) for one in found], total)


async def list_low_stock(*, page: PageRequest) -> Page[InventoryView]:
    """Return the stocks of books on sale at or below their threshold, the emptiest first."""
    after = (page.after[0], page.after[1]) if page.after else None
    found = await Inventory.low(after=after, limit=page.fetch)
    total = await Inventory.count_low(at_most=COUNTED_UP_TO + 1) if page.with_total else None
    return page.page_of([((one.available, one.id), inventory_view(one)) for one in found], total)
