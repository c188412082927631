"""Turns a cart into an order: takes the stock, freezes the prices and keeps the answer, in one transaction."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app import clock
from app.conditional import body_of
from app.errors import (
    CartEmpty,
    Conflict,
    FieldError,
    InsufficientStock,
    InvalidInput,
    PaymentDeclined,
    PriceChanged,
)
from app.events import Event
from app.idempotency import Answer, Attempt, Once, Writer
from app.ids import ORDER, OrderId, new_id, payment_id_of
from app.models.address import SavedAddress
from app.models.book import Book, Offer
from app.models.cart import Cart, CartOwner
from app.models.idempotency_key import IdempotencyKey
from app.models.order import Order, OrderLine
from app.models.order_event import OrderEvent, OrderEventKind
from app.models.outbox_event import OutboxEvent
from app.models.payment import Payment
from app.money import CURRENCY, MAX_AMOUNT, MIN_CHARGE, Money
from app.order_states import OrderStatus, PaymentStatus
from app.payments.till import Till
from app.schemas.address import Address
from app.schemas.order import OrderInput
from app.security import Principal
from app.services.orders import order_as_it_is, with_payment
from app.services.paying import pay_order, payment_of
from app.services.shelf import Move, insufficient, move_copies, turn_at
from app.services.stock_reads import PLENTY, StockReads
from app.settings import Settings

_NUMBER: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_NUMBER_LENGTH: Final = 8


@dataclass(frozen=True)
class _Wanted:
    """A line to be ordered, with the price that the buyer saw where the cart knows it."""

    book_id: str
    quantity: int
    seen_price: Money | None = None


async def place_order(
    till: Till, stock: StockReads, buyer: Principal, given: OrderInput, *, settings: Settings, once: Once[Order]
) -> Answer:
    """Make an order from the buyer's cart, which is empty then, or from the items given, which leave the cart alone.

    The copies are held for it, its prices never change, and the answer is kept under the key: all in one transaction,
    so that a crash leaves an order that can be paid, or none. Then its payment is started; without the gateway the
    answer says `null` in its place, and the order can be paid later. A repeat gives the same order, and goes on where
    the first broke off.

    Raises:
        InvalidInput: an address or a book that there isn't.
        CartEmpty: there is nothing to order.
        PriceChanged: a price isn't what the buyer saw, and they didn't accept that; every such line.
        InsufficientStock: every line of which there are too few copies.
        Conflict: it costs more, or less, than one payment can be.
        PaymentDeclined: the payment method was refused; the order is there, and waits for another.
    """
    began = clock.monotonic()
    turns = await _refuse_early(till.writer, stock, buyer, given, once=once)
    mine: list[Order] = []

    async def work(attempt: Attempt) -> Order:
        mine[:] = [await _place(stock, buyer, given, attempt, settings=settings)]
        return mine[0]

    async def admit() -> None:
        await _refuse_early(till.writer, stock, buyer, given, once=once, since=began)

    answer = await once.perform(till.writer, work, in_turn=turns, admit=admit)
    if answer.unfinished is None:
        return answer
    placed = mine[0] if mine and not answer.replayed else None
    payment = await _start_payment(till, answer.unfinished, given, once=once, placed=placed)
    if given.payment_method is not None:
        return await once.finish(answer, body_of(await order_as_it_is(answer.unfinished, payment, viewer=buyer)))
    return await _answer_to_be_paid(till, answer, payment, order_id=answer.unfinished, once=once)


async def _place(
    stock: StockReads, buyer: Principal, given: OrderInput, attempt: Attempt, *, settings: Settings
) -> Order:
    wanted = await _wanted(buyer, given, attempt)
    if not wanted:
        raise CartEmpty("There is nothing in the cart.")
    moment, order_id = clock.now(), OrderId(new_id(ORDER))
    short: InsufficientStock | None = None
    try:
        # First, since everybody who wants the same title writes here: who meets another hears it before the rest.
        left = await move_copies(Move.HOLD, order_id, wanted, actor=buyer.user_id, at=moment, attempt=attempt)
    except InsufficientStock as error:
        short, left = error, {line["book_id"]: line["available"] for line in error.data["lines"]}
    stock.heed(left)
    offers = await Book.offers([line.book_id for line in wanted], attempt.session)
    _require_sold(wanted, offers, short, named=given.items is not None)
    if not given.accept_prices:
        _require_seen_prices(wanted, offers)
    if short is not None:
        raise short
    address = given.shipping_address or await _saved_address(buyer, given, attempt)
    lines = [_line(line, offers[line.book_id]) for line in wanted]
    order = _new_order(order_id, buyer, lines, address, settings, at=moment)
    await order.place(attempt.session)
    await payment_of(order).open(attempt.session)
    if given.items is None:
        await Cart.empty(buyer.user_id, at=moment, session=attempt.session)
    placed = Event("order.placed", order.id, {"order_id": order.id})
    await OutboxEvent.add(placed, session=attempt.session, awaited=False)
    return order


async def _answer_to_be_paid(
    till: Till, answer: Answer, payment: Payment | None, *, order_id: str, once: Once[Order]
) -> Answer:
    """Return the answer with how the order can be paid: kept with the payment, it needs no write of its own.

    Where the gateway is away that is decided for all who send this request, and stored.
    """
    if payment is None or payment.intent_id is None:
        payment = await _answer_without_payment(till, order_id, once)
    if payment is not None and not payment.left_out:
        return replace(answer, body=with_payment(answer.body, payment), unfinished=None)
    stored = await once.earlier()
    return replace(stored or answer, unfinished=None, replayed=answer.replayed)


async def _answer_without_payment(till: Till, order_id: str, once: Once[Order]) -> Payment | None:
    """Decide for all who send this request that its answer names no payment; unless it has got one: then return it."""

    async def work(attempt: Attempt) -> Payment | None:
        payment = await Payment.leave_out(payment_id_of(order_id), session=attempt.session)
        if payment is None and once.claim is not None:
            await IdempotencyKey.finish_as_it_is(once.claim.id, session=attempt.session)
        return payment

    return await till.commit(work)


async def _start_payment(
    till: Till, order_id: str, given: OrderInput, *, once: Once[Order], placed: Order | None
) -> Payment | None:
    # The key's own name: sent again, the same request is the same attempt to pay.
    attempt = once.claim.id if once.claim else order_id
    try:
        return await pay_order(till, order_id, payment_method=given.payment_method, attempt=attempt, placed=placed)
    except PaymentDeclined as error:
        detail = f"{error.detail.rstrip('.')}. The order waits: pay it with POST /payments."
        which = {"order_id": order_id, "payment_id": payment_id_of(order_id)}
        raise PaymentDeclined(detail, **{**error.data, **which}) from error


async def _refuse_early(
    writer: Writer,
    stock: StockReads,
    buyer: Principal,
    given: OrderInput,
    *,
    once: Once[Order],
    since: float | None = None,
) -> list[str]:
    """Refuse what can't be had without a transaction; return the queues to stand in for what can.

    The buyers of a title that is sold out would otherwise keep each other, and everybody else, waiting. Where copies
    abound, and nobody is in the way, nobody looks. Who had to wait for a turn, in a request that came at the moment
    `since`, is told what others have seen meanwhile.
    """
    if given.items is not None:
        wanted = [(item.book_id, item.quantity) for item in given.items]
    else:
        cart = await writer.database.fresh(lambda: Cart.of(CartOwner(user_id=buyer.user_id), at=clock.now()))
        wanted = [(line.book_id, line.quantity) for line in cart.lines] if cart else []
    available = {}
    asked = []
    for book_id, copies in wanted:
        seen = stock.since(since, book_id) if since is not None else None
        if seen is not None and not copies <= seen < PLENTY:
            available[book_id] = seen
        elif seen is not None or stock.are_few(book_id) or writer.database.is_busy(turn_at(book_id)):
            asked.append(book_id)
    if asked:
        available |= await stock.available(asked)
    refusal = insufficient([line for line in wanted if line[0] in available], available)
    if refusal.data["lines"] and len(available) < len(wanted):
        # Every line that is short is named at once, also those that nobody had a reason to look at.
        available |= await stock.available([book_id for book_id, _ in wanted if book_id not in available])
        refusal = insufficient([line for line in wanted if line[0] in available], available)
    # What was too much may have been taken by this very request, sent before.
    if refusal.data["lines"] and await once.earlier() is None:
        raise refusal
    return [turn_at(book_id) for book_id, _ in wanted]


async def _wanted(buyer: Principal, given: OrderInput, attempt: Attempt) -> list[_Wanted]:
    if given.items is not None:
        return [_Wanted(item.book_id, item.quantity) for item in given.items]
    cart = await Cart.of(CartOwner(user_id=buyer.user_id), at=clock.now(), session=attempt.session)
    return [_Wanted(line.book_id, line.quantity, line.price_when_added) for line in cart.lines] if cart else []


def _require_sold(
    wanted: Sequence[_Wanted], offers: Mapping[str, Offer], short: InsufficientStock | None, *, named: bool
) -> None:
    gone = [line for line in wanted if line.book_id not in offers or not offers[line.book_id].is_sold]
    if not gone:
        return
    if named:
        raise InvalidInput(
            *(
                FieldError(
                    f"/items/{index}/book_id", "book_not_sold", "There is no such book, or it isn't sold any more."
                )
                for index, line in enumerate(wanted)
                if line in gone
            )
        )
    lacking = {line["book_id"]: line["available"] for line in short.data["lines"]} if short else {}
    lacking |= dict.fromkeys([line.book_id for line in gone], 0)
    raise insufficient([(line.book_id, line.quantity) for line in wanted if line.book_id in lacking], lacking)


def _require_seen_prices(wanted: Sequence[_Wanted], offers: Mapping[str, Offer]) -> None:
    changed = [
        {"book_id": line.book_id, "old": line.seen_price.model_dump(), "new": offers[line.book_id].price.model_dump()}
        for line in wanted
        if line.seen_price is not None and line.seen_price != offers[line.book_id].price
    ]
    if changed:
        raise PriceChanged("Prices aren't what you saw; see lines, and accept_prices.", lines=changed)


def _line(wanted: _Wanted, offer: Offer) -> OrderLine:
    return OrderLine(
        book_id=offer.id,
        title=offer.title,
        authors=offer.authors,
        isbn13=offer.isbn13,
        unit_price=offer.price.amount,
        quantity=wanted.quantity,
    )


def _new_order(
    order_id: OrderId, buyer: Principal, lines: list[OrderLine], address: Address, settings: Settings, *, at: datetime
) -> Order:
    subtotal = sum(line.total for line in lines)
    total = subtotal + settings.shipping_flat
    if total > MAX_AMOUNT:
        raise Conflict("It costs more than one payment can be; split it into several orders.")
    placed = OrderEvent(
        kind=OrderEventKind.PLACED,
        status=OrderStatus.PENDING_PAYMENT,
        payment_status=PaymentStatus.REQUIRES_PAYMENT,
        actor=buyer.user_id,
        at=at,
    )
    if total < MIN_CHARGE:
        raise Conflict("It costs less than one payment can be; add something.")
    return Order(
        id=order_id,
        payment_id=payment_id_of(order_id),
        number="".join(secrets.choice(_NUMBER) for _ in range(_NUMBER_LENGTH)),
        user_id=buyer.user_id,
        lines=lines,
        subtotal=subtotal,
        shipping=settings.shipping_flat,
        total=total,
        currency=CURRENCY,
        shipping_address=address,
        expires_at=at + timedelta(seconds=settings.unpaid_order_seconds),
        history=[placed],
        created_at=at,
        updated_at=at,
    )


async def _saved_address(buyer: Principal, given: OrderInput, attempt: Attempt) -> Address:
    found = await SavedAddress.owned(given.address_id or "", user_id=buyer.user_id, session=attempt.session)
    if found is None:
        raise InvalidInput(FieldError("/address_id", "unknown_address", "You have no such address."))
    return found.address
