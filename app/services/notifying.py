"""Tells people by e-mail what happened: one letter per event, written when it is sent, from what is true then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.database import Database
from app.mail.letters import Letter
from app.mail.postman import LetterRefused, Postman
from app.models.book import Book
from app.models.inventory import Inventory
from app.models.outbox_event import OutboxEvent
from app.services.delivering import Consumer, Undeliverable
from app.settings import Settings


@dataclass(frozen=True)
class Desk:
    """What letters are written with."""

    settings: Settings
    postman: Postman

    def link(self, path: str) -> str:
        """Return the address of a page or an endpoint as people reach it."""
        return self.settings.public_url.rstrip("/") + path


Writes = Callable[[Desk, OutboxEvent], Awaitable[Letter | None]]


async def _low_stock(desk: Desk, event: OutboxEvent) -> Letter | None:
    book = await Book.find_one({"_id": event.subject})
    if book is None or not desk.settings.staff_email:
        return None
    stock = (await Inventory.of_books([book.id])).get(book.id)
    return Letter(
        template="low_stock",
        to=desk.settings.staff_email,
        subject=f"Running low: {book.title}",
        at=event.at,
        values={
            "title": book.title,
            "authors": book.authors,
            "available": event.data["available"],
            "now": stock.available if stock else 0,
            "book_id": book.id,
            "link": desk.link(f"/api/v1/inventory/{book.id}"),
        },
    )


_LETTERS: Final[Mapping[str, Writes]] = {
    "stock.low": _low_stock,
}


def notifications(settings: Settings) -> Mapping[str, Consumer]:
    """Return who writes for which kind of event."""
    desk = Desk(settings, Postman(settings))
    return {kind: _sender(desk, write) for kind, write in _LETTERS.items()}


def _sender(desk: Desk, write: Writes) -> Consumer:
    async def send(_: Database, event: OutboxEvent) -> None:
        letter = await write(desk, event)
        if letter is None:
            return
        try:
            await desk.postman.send(letter, identity=event.id)
        except LetterRefused as error:
            raise Undeliverable(str(error)) from error

    return send
