"""Tells people by e-mail what happened: one letter per event, written when it is sent, from what is true then."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.clock import rfc3339
from app.database import Database
from app.mail.letters import Letter
from app.mail.postman import LetterRefused, Postman
from app.models.book import Book
from app.models.inventory import Inventory
from app.models.order import Order
from app.models.outbox_event import OutboxEvent
from app.models.user import User
from app.models.user_token import UserToken
from app.money import spoken
from app.order_states import OrderStatus
from app.services.delivering import Consumer, Undeliverable
from app.settings import Settings
from app.user_tokens import user_token


@dataclass(frozen=True)
class Mailroom:
    """What letters are written with."""

    settings: Settings
    postman: Postman

    def page(self, path: str) -> str | None:
        """Return the address of one of the shop's pages, if it has any."""
        pages = self.settings.pages_url.rstrip("/")
        return pages + path if pages else None


Writes = Callable[[Mailroom, OutboxEvent], Awaitable[Letter | None]]
"""Writes the letter for an event; None where nobody is to be written to any more."""


def _about_order(
    template: str, subject: str, *, deliver: bool = False, unless: Callable[[Order], bool] = lambda _: False
) -> Writes:
    async def write(mailroom: Mailroom, event: OutboxEvent) -> Letter | None:
        order = await Order.of_id(event.subject)
        if order is None or unless(order):
            return None
        to = await _address_of(order)
        if to is None:
            return None
        values = _order_values(order, deliver=deliver) | {
            "link": mailroom.page(f"/orders/{order.id}"),
            "amount": spoken(int(event.data.get("amount", order.refunded)), order.currency),
        }
        return Letter(template=template, to=to, subject=f"{subject} ({order.number})", at=event.at, values=values)

    return write


async def _address_of(order: Order) -> str | None:
    user = await User.of_id(order.user_id)
    if user is None:  # whoever deleted the account is left alone
        return None
    return user.email


def _order_values(order: Order, *, deliver: bool) -> dict[str, Any]:
    def money(amount: int) -> str:
        return spoken(amount, order.currency)

    address = order.shipping_address
    town = f"{address.postal_code} {address.city}"
    return {
        "number": order.number,
        "lines": [
            {
                "title": line.title,
                "authors": line.authors,
                "quantity": line.quantity,
                "price": money(line.unit_price),
                "total": money(line.total),
            }
            for line in order.lines
        ],
        "sums": [("Books", money(order.subtotal)), ("Shipping", money(order.shipping))],
        "total": money(order.total),
        "captured": order.captured,
        "until": _moment(order.expires_at),
        "deliver": deliver,
        "address": [
            part for part in (address.name, address.line1, address.line2, town, address.region, address.country) if part
        ],
    }


def _no_longer_payable(order: Order) -> bool:
    return order.status is not OrderStatus.PENDING_PAYMENT


def _with_token(template: str, subject: str, page: str) -> Writes:
    async def write(mailroom: Mailroom, event: OutboxEvent) -> Letter | None:
        user = await User.of_id(event.subject)
        row = await UserToken.find_one({"_id": event.data["token_id"]})
        # Used, replaced by a newer one, or meant for an address that the user has no longer.
        if user is None or user.email is None or row is None or row.email_folded != user.email_folded:
            return None
        token = user_token(mailroom.settings, row.id)
        # Without any name: the address may be a stranger's, whom whoever registered would be speaking to.
        values = {
            "token": token,
            "until": _moment(row.expires_at),
            "link": mailroom.page(f"{page}?token={token}"),
        }
        return Letter(template=template, to=user.email, subject=subject, at=event.at, values=values)

    return write


def _moment(moment: datetime) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC"


async def _low_stock(mailroom: Mailroom, event: OutboxEvent) -> Letter | None:
    book = await Book.find_one({"_id": event.subject})
    if book is None or not mailroom.settings.staff_email:
        return None
    stock = (await Inventory.of_books([book.id])).get(book.id)
    return Letter(
        template="low_stock",
        to=mailroom.settings.staff_email,
        subject=f"Running low: {book.title}",
        at=event.at,
        values={
            "title": book.title,
            "authors": book.authors,
            "available": event.data["available"],
            "then": rfc3339(event.at),
            "now": stock.available if stock else 0,
            "book_id": book.id,
        },
    )


async def _refund_failed(mailroom: Mailroom, event: OutboxEvent) -> Letter | None:
    order = await Order.of_id(str(event.data["order_id"]))
    # What was paid has gone back by now, by other hands or another refund: there is nothing to do.
    if order is None or order.refunded >= order.captured or not mailroom.settings.staff_email:
        return None
    return Letter(
        template="refund_failed",
        to=mailroom.settings.staff_email,
        subject=f"A refund didn't arrive ({order.number})",
        at=event.at,
        values={
            "number": order.number,
            "order_id": order.id,
            "amount": spoken(int(event.data["amount"]), order.currency),
            "refunded": spoken(order.refunded, order.currency),
            "captured": spoken(order.captured, order.currency),
        },
    )


_LETTERS: Final[Mapping[str, Writes]] = {
    "order.paid": _about_order("order_paid", "Your order", deliver=True),
    "order.payment_failed": _about_order("order_payment_failed", "Your payment was refused", unless=_no_longer_payable),
    "order.shipped": _about_order("order_shipped", "Your books are on their way", deliver=True),
    "order.cancelled": _about_order("order_cancelled", "Your order was cancelled"),
    "order.expired": _about_order("order_expired", "Your order has expired"),
    "order.refunded": _about_order("order_refunded", "Your money is on its way back"),
    "order.refund_failed": _refund_failed,
    "stock.low": _low_stock,
    "user.verification_requested": _with_token("verify_email", "Please confirm your address", "/verify-email"),
    "user.password_reset_requested": _with_token("password_reset", "A new password", "/reset-password"),
}


def notifications(settings: Settings) -> Mapping[str, Consumer]:
    """Return who writes for which kind of event."""
    mailroom = Mailroom(settings, Postman(settings))
    return {kind: _sender(mailroom, write) for kind, write in _LETTERS.items()}


def _sender(mailroom: Mailroom, write: Writes) -> Consumer:
    async def send(_: Database, event: OutboxEvent) -> None:
        letter = await write(mailroom, event)
        if letter is None:
            return
        try:
            await mailroom.postman.send(letter, identity=event.id)
        except LetterRefused as error:
            raise Undeliverable(str(error)) from error

    return send
