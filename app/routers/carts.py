"""Carts over HTTP, for users and for guests."""

from fastapi import APIRouter, Response

from app.answers import nothing, response_of, tagged, written
from app.dependencies import AnyonesKey, CartKey, CurrentUser, IdempotencyKey, IfMatch, Sender, Shop, Shopper
from app.idempotency import Once
from app.routers.responses import CART_READ, CART_WRITE, problems
from app.schemas.cart import CartItem, CartQuantity, CartToMerge, CartView, GuestCart
from app.services import carts

router = APIRouter(tags=["cart"])


@router.post("/carts", status_code=201, response_model=GuestCart, responses=problems(413, 415))
async def open_guest_cart(shop: Shop, sender: Sender, key: AnyonesKey) -> Response:
    """Open a cart for a guest; send its `cart_token` as `X-Cart-Token` from then on.

    Make the idempotency key a random one: who sends it again from the same address gets the same cart.
    """
    # Nobody is signed in: the address keeps strangers who chose the same key apart, as far as it tells them apart.
    claim = key.of(f"guest at {sender.address}") if key else None
    once = Once[GuestCart](claim, lambda cart: written(cart, status=201, tagged=False))
    return response_of(await carts.open_guest_cart(shop.writer, settings=shop.settings, once=once))


@router.get("/cart", response_model=CartView, responses=CART_READ)
async def get_cart(shop: Shop, shopper: Shopper) -> Response:
    """Get one's cart at today's prices, with what stands against ordering each line."""
    return tagged(await carts.get_cart(shop.writer, shopper, settings=shop.settings))


@router.delete("/cart", status_code=204, responses=CART_WRITE)
async def clear_cart(shop: Shop, shopper: Shopper, key: CartKey, if_match: IfMatch) -> Response:
    """Empty one's cart."""
    once = Once[CartView](key, nothing)
    return response_of(
        await carts.clear_cart(shop.writer, shopper, if_match=if_match, settings=shop.settings, once=once)
    )


@router.post("/cart/items", status_code=201, response_model=CartView, responses=CART_WRITE | problems(409))
async def put_in_cart(body: CartItem, shop: Shop, shopper: Shopper, key: CartKey) -> Response:
    """Put copies of a book into one's cart; the same book adds up."""
    once = Once[CartView](key, lambda cart: written(cart, status=201))
    return response_of(await carts.put_in(shop.writer, shopper, body, settings=shop.settings, once=once))


@router.put("/cart/items/{book_id}", response_model=CartView, responses=CART_WRITE | problems(409))
async def set_cart_quantity(
    book_id: str, body: CartQuantity, shop: Shop, shopper: Shopper, key: CartKey, if_match: IfMatch
) -> Response:
    """Say how many copies of a book one wants; 0 takes it out."""
    once = Once[CartView](key, written)
    answer = await carts.set_quantity(
        shop.writer, shopper, book_id, body.quantity, if_match=if_match, settings=shop.settings, once=once
    )
    return response_of(answer)


@router.patch("/cart/items/{book_id}", response_model=CartView, responses=CART_WRITE | problems(409))
async def change_cart_quantity(
    book_id: str, body: CartQuantity, shop: Shop, shopper: Shopper, key: CartKey, if_match: IfMatch
) -> Response:
    """Say how many copies of a book one wants; the same as PUT."""
    once = Once[CartView](key, written)
    answer = await carts.set_quantity(
        shop.writer, shopper, book_id, body.quantity, if_match=if_match, settings=shop.settings, once=once
    )
    return response_of(answer)


@router.delete("/cart/items/{book_id}", status_code=204, responses=CART_WRITE)
async def take_out_of_cart(book_id: str, shop: Shop, shopper: Shopper, key: CartKey, if_match: IfMatch) -> Response:
    """Take a book out of one's cart."""
    once = Once[CartView](key, nothing)
    answer = await carts.take_out(shop.writer, shopper, book_id, if_match=if_match, settings=shop.settings, once=once)
    return response_of(answer)


@router.post("/cart/merge", response_model=CartView, responses=CART_WRITE | problems(409))
async def merge_guest_cart(body: CartToMerge, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Bring what one put into a guest cart before signing in into one's own; the guest cart is gone then."""
    once = Once[CartView](key, written)
    answer = await carts.merge_guest_cart(shop.writer, user.user_id, body.cart_token, settings=shop.settings, once=once)
    return response_of(answer)
