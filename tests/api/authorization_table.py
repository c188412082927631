"""Says who may do what: one row per route. A route without a row fails the suite.

Each cell is the status that this person gets, `ok` for any 2xx or 3xx. The things that a path names ({book_id}, …)
belong to `owner` where they belong to anybody; `stranger` is another customer. To add a route: a row here; its body in
BODIES where it needs one; in THINGS how to make what its path names, where nobody has said so yet.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from app.lifespan import Resources
from app.models.user_token import UserToken
from app.user_tokens import user_token
from tests.factories.accounts import PASSWORD, a_user, address_body, registration
from tests.factories.books import API, a_category, book_body
from tests.factories.buying import a_stocked_book, an_order, order_body, put_in_cart

PEOPLE: Final = ("anonymous", "owner", "stranger", "staff", "admin")

#  method path                                    anonymous owner stranger staff admin
TABLE: Final = """
   GET    /                                              ok    ok    ok    ok    ok
   GET    /docs/errors                                   ok    ok    ok    ok    ok
   GET    /healthz                                       ok    ok    ok    ok    ok
   GET    /readyz                                        ok    ok    ok    ok    ok
   GET    /metrics                                       ok    ok    ok    ok    ok
   GET    /api/v1/status                                 ok    ok    ok    ok    ok

   POST   /api/v1/auth/register                          ok    ok    ok    ok    ok
   POST   /api/v1/auth/login                             ok    ok    ok    ok    ok
   POST   /api/v1/auth/token                             ok    ok    ok    ok    ok
   POST   /api/v1/auth/token/refresh                     ok    ok    ok    ok    ok
   POST   /api/v1/auth/logout                            401   ok    ok    ok    ok
   POST   /api/v1/auth/logout-all                        401   ok    ok    ok    ok
   POST   /api/v1/auth/email/verify                      ok    ok    ok    ok    ok
   POST   /api/v1/auth/email/resend                      401   ok    ok    ok    ok
   POST   /api/v1/auth/password/forgot                   ok    ok    ok    ok    ok
   POST   /api/v1/auth/password/reset                    ok    ok    ok    ok    ok

   GET    /api/v1/users/me                               401   ok    ok    ok    ok
   PUT    /api/v1/users/me                               401   ok    ok    ok    ok
   PATCH  /api/v1/users/me                               401   ok    ok    ok    ok
   DELETE /api/v1/users/me                               401   ok    ok    ok    409
   POST   /api/v1/users/me/password                      401   ok    ok    ok    ok
   GET    /api/v1/users/me/sessions                      401   ok    ok    ok    ok
   DELETE /api/v1/users/me/sessions/{session_id}         401   ok    404   404   404
   GET    /api/v1/users/me/addresses                     401   ok    ok    ok    ok
   POST   /api/v1/users/me/addresses                     401   ok    ok    ok    ok
   GET    /api/v1/users/me/addresses/{address_id}        401   ok    404   404   404
   PUT    /api/v1/users/me/addresses/{address_id}        401   ok    404   404   404
   DELETE /api/v1/users/me/addresses/{address_id}        401   ok    404   404   404
   GET    /api/v1/users                                  401   403   403   403   ok
   GET    /api/v1/users/{user_id}                        401   ok    404   404   ok
   PATCH  /api/v1/users/{user_id}                        401   ok    404   404   ok
   DELETE /api/v1/users/{user_id}                        401   ok    404   404   ok
   GET    /api/v1/admin/users                            401   403   403   403   ok
   PATCH  /api/v1/admin/users/{user_id}                  401   403   403   403   ok

   GET    /api/v1/books                                  ok    ok    ok    ok    ok
   GET    /api/v1/books/search                           ok    ok    ok    ok    ok
   GET    /api/v1/books/suggest                          ok    ok    ok    ok    ok
   GET    /api/v1/new-releases                           ok    ok    ok    ok    ok
   POST   /api/v1/books/batch-get                        ok    ok    ok    ok    ok
   GET    /api/v1/books/{book_id}                        ok    ok    ok    ok    ok
   GET    /api/v1/books/{book_id}/related                ok    ok    ok    ok    ok
   GET    /api/v1/books/{book_id}/cover                  404   404   404   404   404
   POST   /api/v1/books                                  401   403   403   ok    ok
   PUT    /api/v1/books/{book_id}                        401   403   403   ok    ok
   PATCH  /api/v1/books/{book_id}                        401   403   403   ok    ok
   DELETE /api/v1/books/{book_id}                        401   403   403   ok    ok
   DELETE /api/v1/books/{book_id}/cover                  401   403   403   ok    ok

   GET    /api/v1/categories                             ok    ok    ok    ok    ok
   GET    /api/v1/categories/{category}                  ok    ok    ok    ok    ok
   GET    /api/v1/categories/{category}/books            ok    ok    ok    ok    ok
   POST   /api/v1/categories                             401   403   403   ok    ok
   PUT    /api/v1/categories/{category}                  401   403   403   ok    ok
   PATCH  /api/v1/categories/{category}                  401   403   403   ok    ok
   DELETE /api/v1/categories/{category}                  401   403   403   ok    ok

   GET    /api/v1/inventory/low-stock                    401   403   403   ok    ok
   GET    /api/v1/inventory/{book_id}                    401   403   403   ok    ok
   PATCH  /api/v1/inventory/{book_id}                    401   403   403   ok    ok
   GET    /api/v1/inventory/{book_id}/movements          401   403   403   ok    ok

   POST   /api/v1/carts                                  ok    ok    ok    ok    ok
   GET    /api/v1/cart                                   401   ok    ok    ok    ok
   DELETE /api/v1/cart                                   401   ok    ok    ok    ok
   POST   /api/v1/cart/items                             401   ok    ok    ok    ok
   PUT    /api/v1/cart/items/{book_id}                   401   ok    ok    ok    ok
   PATCH  /api/v1/cart/items/{book_id}                   401   ok    ok    ok    ok
   DELETE /api/v1/cart/items/{book_id}                   401   ok    ok    ok    ok
   POST   /api/v1/cart/merge                             401   ok    ok    ok    ok

   POST   /api/v1/orders                                 401   ok    ok    ok    ok
   GET    /api/v1/orders                                 401   ok    ok    ok    ok
   GET    /api/v1/orders/{order_id}                      401   ok    404   ok    ok
   GET    /api/v1/orders/{order_id}/events               401   ok    404   ok    ok
   POST   /api/v1/orders/{order_id}/cancel               401   ok    404   ok    ok
   POST   /api/v1/orders/{order_id}/transitions          401   403   403   ok    ok
   GET    /api/v1/admin/orders                           401   403   403   ok    ok

   POST   /api/v1/payments                               401   ok    404   403   403
   GET    /api/v1/payments                               401   ok    ok    ok    ok
   GET    /api/v1/payments/{payment_id}                  401   ok    404   ok    ok
   POST   /api/v1/payments/{payment_id}/verify           401   ok    404   ok    ok
   POST   /api/v1/payments/{payment_id}/refunds          401   403   403   ok    ok
   GET    /api/v1/payments/{payment_id}/refunds          401   403   403   ok    ok
   GET    /api/v1/admin/payments                         401   403   403   ok    ok
   POST   /api/v1/webhooks/stripe                        400   400   400   400   400

   GET    /api/v1/admin/books                            401   403   403   ok    ok
   GET    /api/v1/admin/products                         401   403   403   ok    ok
   GET    /api/v1/admin/audit-log                        401   403   403   403   ok
"""

FORM: Final = "form:"
"""Before a body's path: it is sent as a form."""

BODIES: Final[dict[str, Any]] = {
    "POST /api/v1/auth/register": registration(email="new@example.com", username="new"),
    "POST /api/v1/auth/login": {"login": "somebody", "password": PASSWORD},
    f"{FORM}POST /api/v1/auth/token": {"username": "somebody", "password": PASSWORD},
    "POST /api/v1/auth/token/refresh": {"refresh_token": "{refresh_token}"},
    "POST /api/v1/auth/email/verify": {"token": "{letter_token}"},
    "POST /api/v1/auth/password/forgot": {"email": "somebody@example.com"},
    "POST /api/v1/auth/password/reset": {"token": "{reset_token}", "password": "eleven umbrellas, one hat"},
    "PUT /api/v1/users/me": {"email": "moved@example.com", "username": "moved", "current_password": PASSWORD},
    "PATCH /api/v1/users/me": {"first_name": "Mallory"},
    "POST /api/v1/users/me/password": {"current_password": PASSWORD, "password": "eleven umbrellas, one hat"},
    "POST /api/v1/users/me/addresses": address_body(),
    "PUT /api/v1/users/me/addresses/{address_id}": address_body(line1="1 Thief Lane"),
    "PATCH /api/v1/users/{user_id}": {"first_name": "Mallory"},
    "PATCH /api/v1/admin/users/{user_id}": {"role": "staff"},
    "POST /api/v1/books/batch-get": {"ids": ["{book_id}"]},
    "POST /api/v1/books": book_body(),
    "PUT /api/v1/books/{book_id}": book_body(),
    "PATCH /api/v1/books/{book_id}": {"title": "Mine"},
    "POST /api/v1/categories": {"name": "Mine"},
    "PUT /api/v1/categories/{category}": {"name": "Mine"},
    "PATCH /api/v1/categories/{category}": {"name": "Mine"},
    "POST /api/v1/payments": {"order_id": "{order_id}"},
    "POST /api/v1/payments/{payment_id}/refunds": {"amount": {"amount": 1, "currency": "USD"}},
    "POST /api/v1/webhooks/stripe": {"id": "evt_1"},
    "PATCH /api/v1/inventory/{book_id}": {"delta": 5, "reason": "theft"},
    "POST /api/v1/cart/items": {"book_id": "{book_id}", "quantity": 1},
    "PUT /api/v1/cart/items/{book_id}": {"quantity": 2},
    "PATCH /api/v1/cart/items/{book_id}": {"quantity": 2},
    "POST /api/v1/cart/merge": {"cart_token": "{cart_token}"},
    "POST /api/v1/orders": order_body(items=[{"book_id": "{book_id}", "quantity": 1}]),
    "POST /api/v1/orders/{order_id}/transitions": {"to": "cancelled"},
}

NEEDS_KEY: Final = frozenset(
    {"POST /api/v1/orders", "POST /api/v1/payments", "POST /api/v1/payments/{payment_id}/refunds"}
)
"""What isn't done without an idempotency key."""

ITS_OWNERS: Final = frozenset({"POST /api/v1/payments"})
"""What only the owner does, whoever else sees the thing: it is found first."""

CREDENTIALS_IN_BODY: Final = frozenset({"POST /api/v1/auth/logout"})
"""Where the body may say who asks, it is read before anybody is refused."""

QUERIES: Final = {
    "GET /api/v1/books/search": "q=dune",
    "GET /api/v1/books/suggest": "q=dune",
}


@dataclass(frozen=True)
class World:
    """A shop with one of everything, and the people in it."""

    people: dict[str, httpx.AsyncClient]
    shop: Resources
    things: dict[str, str] = field(default_factory=dict)

    async def thing(self, name: str) -> str:
        """Return what stands for the placeholder, made when it is first asked for."""
        if name not in self.things:
            self.things[name] = await THINGS[name](self)
        return self.things[name]

    async def filled(self, value: Any) -> Any:
        """Return the path or body with every placeholder filled."""
        if isinstance(value, dict):
            return {name: await self.filled(part) for name, part in value.items()}
        if isinstance(value, list):
            return [await self.filled(part) for part in value]
        if isinstance(value, str):
            for name in THINGS:
                if f"{{{name}}}" in value:
                    value = value.replace(f"{{{name}}}", await self.thing(name))
        return value


async def _book(world: World) -> str:
    book = await a_stocked_book(world.people["staff"])
    for person in PEOPLE[1:]:
        await put_in_cart(world.people[person], book)
    return book


async def _order(world: World) -> str:
    return str((await an_order(world.people["owner"], (await world.thing("book_id"), 1)))["id"])


async def _cart_token(world: World) -> str:
    return str((await world.people["anonymous"].post(f"{API}/carts")).json()["cart_token"])


async def _category(world: World) -> str:
    return str((await a_category(world.people["staff"]))["id"])


async def _payment(world: World) -> str:
    bought = (await world.thing("book_id"), 1)
    paid = await an_order(world.people["owner"], bought, payment_method="pm_card_visa")
    return str(paid["payment"]["id"])


async def _refresh_token(world: World) -> str:
    return str(
        (await a_user(world.people["anonymous"], email="someone@example.com", username="someone"))["refresh_token"]
    )


async def _letter_token(world: World) -> str:
    tokens = UserToken.find({"purpose": "verify_email", "user_id": {"$ne": None}})
    return user_token(world.shop.settings, (await tokens.to_list())[0].id)


async def _reset_token(world: World) -> str:
    forgotten = {"email": "somebody@example.com"}
    assert (await world.people["anonymous"].post("/api/v1/auth/password/forgot", json=forgotten)).status_code == 202
    tokens = UserToken.find({"purpose": "reset_password"})
    return user_token(world.shop.settings, (await tokens.to_list())[0].id)


async def _user(world: World) -> str:
    return str((await world.people["owner"].get("/api/v1/users/me")).json()["id"])


async def _session(world: World) -> str:
    return str((await world.people["owner"].get("/api/v1/users/me/sessions")).json()["data"][0]["id"])


async def _address(world: World) -> str:
    made = await world.people["owner"].post("/api/v1/users/me/addresses", json=address_body())
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


THINGS: Final[dict[str, Callable[[World], Awaitable[str]]]] = {
    "book_id": _book,
    "order_id": _order,
    "payment_id": _payment,
    "cart_token": _cart_token,
    "category": _category,
    "refresh_token": _refresh_token,
    "letter_token": _letter_token,
    "reset_token": _reset_token,
    "user_id": _user,
    "session_id": _session,
    "address_id": _address,
}


@dataclass(frozen=True)
class Route:
    """A row of the table."""

    method: str
    path: str
    expected: dict[str, str]

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def refused(self) -> dict[str, str]:
        """Who gets which refusal."""
        return {person: status for person, status in self.expected.items() if status != "ok"}

    @property
    def let_in(self) -> list[str]:
        """Who doesn't."""
        return [person for person, status in self.expected.items() if status == "ok"]


def _routes() -> list[Route]:
    rows = [line.split() for line in TABLE.splitlines() if line.strip()]
    return [Route(method, path, dict(zip(PEOPLE, cells, strict=True))) for method, path, *cells in rows]


ROUTES: Final = _routes()


async def ask(world: World, route: Route, person: str, **headers: str) -> httpx.Response:
    """Send the row's request as this person."""
    path, query = await world.filled(route.path), QUERIES.get(route.name)
    url = f"{path}?{query}" if query else path
    key = {"Idempotency-Key": "its-own"} if route.name in NEEDS_KEY and route.expected[person] == "ok" else {}
    sent: dict[str, Any] = {"headers": {"If-Match": "*"} | key | headers}
    if f"{FORM}{route.name}" in BODIES:
        sent["data"] = BODIES[f"{FORM}{route.name}"]
    elif route.name in BODIES:
        sent["json"] = await world.filled(BODIES[route.name])
    return await world.people[person].request(route.method, url, **sent)
