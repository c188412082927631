"""Keeps carts: what somebody puts in and takes out, and what it would cost now."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.conditional import body_of, etag_of, require_match
from app.errors import Conflict, NotFound
from app.idempotency import Answer, Attempt, Once, Writer
from app.ids import UserId
from app.models.book import Book, Offer
from app.models.cart import Cart, CartLine, CartOwner
from app.models.inventory import Inventory
from app.money import CURRENCY, Money, Sum
from app.schemas.book import Availability
from app.schemas.cart import MAX_LINES, MAX_QUANTITY, CartItem, CartLineView, CartProblem, CartView, GuestCart
from app.services.shelf import insufficient
from app.settings import Settings

Lines = dict[str, CartLine]
"""A cart's lines by book, in the order in which they were put in."""


def digest_of(token: str) -> str:
    """Return what a cart's token is kept as."""
    return hashlib.sha256(token.encode()).hexdigest()


async def open_guest_cart(writer: Writer, *, settings: Settings, once: Once[GuestCart]) -> Answer:
    """Make an empty cart for somebody who hasn't signed in; whoever has its token has the cart."""

    async def work(attempt: Attempt) -> GuestCart:
        token = secrets.token_urlsafe(32)
        owner = CartOwner(token_digest=digest_of(token))
        cart = _new_cart(owner, settings, at=clock.now())
        await cart.put(attempt.session)
        view = await view_of(cart, settings, attempt.session)
        return GuestCart(**view.model_dump(), cart_token=token)

    return await once.perform(writer, work)


async def get_cart(writer: Writer, owner: CartOwner, *, settings: Settings) -> CartView:
    """Return the cart at today's prices; a user who has none sees an empty one.

    Raises:
        NotFound: a guest's cart that there isn't, or that has run out.
    """

    async def read() -> CartView:
        cart = await Cart.of(owner, at=clock.now())
        if cart is None and owner.user_id is None:
            raise NotFound("There is no such cart; make one with POST /carts.")
        return await view_of(cart, settings)

    return await writer.database.fresh(read)


async def put_in(
    writer: Writer, owner: CartOwner, item: CartItem, *, settings: Settings, once: Once[CartView]
) -> Answer:
    """Put copies of a book in; the same book adds up, at the price that it first had.

    Raises:
        NotFound: no such book is sold, or there is no such cart.
        Conflict: more than 99 copies of one book, or too many books.
        InsufficientStock: so many copies there aren't.
    """

    async def edit(lines: Lines, at: datetime, session: AsyncClientSession) -> Lines:
        offer = await _sold(item.book_id, session)
        line = lines.get(item.book_id) or CartLine(
            book_id=offer.id, quantity=0, price_when_added=offer.price, added_at=at
        )
        changed = lines | {item.book_id: _with_quantity(line, line.quantity + item.quantity)}
        _require_room(changed)
        await _require_stock(item.book_id, line.quantity + item.quantity, session)
        return changed

    return await _edit(writer, owner, edit, settings=settings, once=once)


async def set_quantity(
    writer: Writer,
    owner: CartOwner,
    book_id: str,
    quantity: int,
    *,
    if_match: str | None,
    settings: Settings,
    once: Once[CartView],
) -> Answer:
    """Say how many copies of a book there shall be in the cart; 0 takes it out, and may be said twice.

    Raises:
        NotFound: the book isn't in the cart, there is no such cart, or more are wanted of what isn't sold any more.
        InsufficientStock: so many copies there aren't.
        PreconditionFailed: the client saw another state of the cart.
    """

    async def edit(lines: Lines, _: datetime, session: AsyncClientSession) -> Lines:
        if quantity == 0:
            return {other: line for other, line in lines.items() if other != book_id}
        if book_id not in lines:
            raise NotFound("This book isn't in the cart.")
        if quantity > lines[book_id].quantity:
            await _sold(book_id, session)
            await _require_stock(book_id, quantity, session)
        return lines | {book_id: _with_quantity(lines[book_id], quantity)}

    return await _edit(writer, owner, edit, if_match=if_match, settings=settings, once=once)


async def take_out(
    writer: Writer,
    owner: CartOwner,
    book_id: str,
    *,
    if_match: str | None,
    settings: Settings,
    once: Once[CartView],
) -> Answer:
    """Take a book out of the cart.

    Raises:
        NotFound: it isn't in the cart, or there is no such cart.
        PreconditionFailed: the client saw another state of the cart.
    """

    async def edit(lines: Lines, _: datetime, __: AsyncClientSession) -> Lines:
        if book_id not in lines:
            raise NotFound("This book isn't in the cart.")
        return {other: line for other, line in lines.items() if other != book_id}

    return await _edit(writer, owner, edit, if_match=if_match, settings=settings, once=once)


async def clear_cart(
    writer: Writer, owner: CartOwner, *, if_match: str | None, settings: Settings, once: Once[CartView]
) -> Answer:
    """Take everything out of the cart.

    Raises:
        NotFound: a guest's cart that there isn't.
        PreconditionFailed: the client saw another state of the cart.
    """

    async def edit(_: Lines, __: datetime, ___: AsyncClientSession) -> Lines:
        return {}

    return await _edit(writer, owner, edit, if_match=if_match, settings=settings, once=once)


async def merge_guest_cart(
    writer: Writer, user_id: UserId, token: str, *, settings: Settings, once: Once[CartView]
) -> Answer:
    """Put a guest cart's lines into the user's cart, and take the guest cart away; the same book adds up, to 99.

    Raises:
        NotFound: there is no such guest cart (any more).
        Conflict: too many books together.
    """
    owner = CartOwner(user_id=user_id)

    async def edit(lines: Lines, at: datetime, session: AsyncClientSession) -> Lines:
        guest = await Cart.of(CartOwner(token_digest=digest_of(token)), at=at, session=session)
        if guest is None:
            raise NotFound("There is no such guest cart.")
        await guest.remove(session)
        merged = dict(lines)
        for line in guest.lines:
            mine = merged.get(line.book_id)
            both = line.quantity + (mine.quantity if mine else 0)
            merged[line.book_id] = _with_quantity(mine or line, min(both, MAX_QUANTITY))
        _require_room(merged)
        return merged

    return await _edit(writer, owner, edit, settings=settings, once=once)


Edit = Callable[[Lines, datetime, AsyncClientSession], Awaitable[Lines]]


async def _edit(
    writer: Writer,
    owner: CartOwner,
    edit: Edit,
    *,
    settings: Settings,
    once: Once[CartView],
    if_match: str | None = None,
) -> Answer:
    async def work(attempt: Attempt) -> CartView:
        moment = clock.now()
        cart = await Cart.of(owner, at=moment, session=attempt.session)
        if cart is None and owner.user_id is None:
            raise NotFound("There is no such cart; make one with POST /carts.")
        if if_match is not None:
            require_match(if_match, etag_of(body_of(await view_of(cart, settings, attempt.session))))
        cart = cart or _new_cart(owner, settings, at=moment)
        lines = await edit({line.book_id: line for line in cart.lines}, moment, attempt.session)
        changed = cart.with_lines(list(lines.values()), at=moment, expires_at=_runs_out(owner, settings, at=moment))
        await changed.put(attempt.session)
        return await view_of(changed, settings, attempt.session)

    return await once.perform(writer, work, in_turn=[f"cart {owner.principal}"])


async def view_of(cart: Cart | None, settings: Settings, session: AsyncClientSession | None = None) -> CartView:
    """Return the cart at today's prices, with what stands against ordering it."""
    lines = cart.lines if cart else []
    ids = [line.book_id for line in lines]
    offers = await Book.offers(ids, session) if ids else {}
    stocks = await Inventory.of_books(ids, session) if ids else {}
    items = [_line_view(line, offers, stocks) for line in lines]
    sold = [item for item in items if CartProblem.NOT_SOLD not in item.problems]
    subtotal = sum(item.line_total.amount for item in sold)
    shipping = settings.shipping_flat if sold else 0
    return CartView(
        id=cart.id if cart else None,
        items=items,
        quantity=sum(item.quantity for item in items),
        subtotal=Sum(amount=subtotal, currency=CURRENCY),
        shipping=Money(amount=shipping, currency=CURRENCY),
        total=Sum(amount=subtotal + shipping, currency=CURRENCY),
        updated_at=cart.updated_at if cart else None,
    )


def _line_view(line: CartLine, offers: Mapping[str, Offer], stocks: Mapping[str, Inventory]) -> CartLineView:
    offer, stock = offers.get(line.book_id) or _removed(line), stocks.get(line.book_id)
    availability = stock.availability if stock and offer.is_sold else Availability.OUT_OF_STOCK
    problems = []
    if not offer.is_sold:
        problems.append(CartProblem.NOT_SOLD)
    elif availability is Availability.OUT_OF_STOCK:
        problems.append(CartProblem.OUT_OF_STOCK)
    elif stock is not None and stock.available < line.quantity:
        problems.append(CartProblem.INSUFFICIENT_STOCK)
    if offer.price != line.price_when_added:
        problems.append(CartProblem.PRICE_CHANGED)
    return CartLineView(
        book_id=line.book_id,
        title=offer.title,
        authors=offer.authors,
        isbn13=offer.isbn13,
        quantity=line.quantity,
        unit_price=offer.price,
        price_when_added=line.price_when_added,
        line_total=Sum(amount=offer.price.amount * line.quantity, currency=offer.price.currency),
        availability=availability,
        problems=problems,
    )


def _removed(line: CartLine) -> Offer:
    # The program only archives books; what was removed by hand, or is lost, has left nothing but the line.
    return Offer.model_validate({
        "_id": line.book_id, "title": "A book that is no longer sold", "authors": [], "isbn13": None,
        "price": line.price_when_added, "archived_at": line.added_at,
    })  # fmt: skip


def _new_cart(owner: CartOwner, settings: Settings, *, at: datetime) -> Cart:
    return Cart(
        user_id=owner.user_id,
        token_digest=owner.token_digest,
        expires_at=_runs_out(owner, settings, at=at),
        created_at=at,
        updated_at=at,
    )


def _runs_out(owner: CartOwner, settings: Settings, *, at: datetime) -> datetime | None:
    return None if owner.user_id else at + timedelta(days=settings.guest_cart_days)


def _with_quantity(line: CartLine, quantity: int) -> CartLine:
    return line.model_copy(update={"quantity": quantity})


def _require_room(lines: Lines) -> None:
    if len(lines) > MAX_LINES:
        raise Conflict(f"A cart holds {MAX_LINES} different books at most.")
    if any(line.quantity > MAX_QUANTITY for line in lines.values()):
        raise Conflict(f"A cart holds {MAX_QUANTITY} copies of a book at most.")


async def _sold(book_id: str, session: AsyncClientSession) -> Offer:
    offer = (await Book.offers([book_id], session)).get(book_id)
    if offer is None or not offer.is_sold:
        raise NotFound("No such book is sold.")
    return offer


async def _require_stock(book_id: str, copies: int, session: AsyncClientSession) -> None:
    stock = (await Inventory.of_books([book_id], session)).get(book_id)
    available = stock.available if stock else 0
    if copies > available:
        raise insufficient([(book_id, copies)], {book_id: available})
