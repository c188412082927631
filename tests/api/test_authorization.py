import httpx
import pytest

from app.lifespan import Resources
from app.models import DOCUMENTS
from app.models.cache_grant import CacheGrant
from tests.factories.books import API, a_book, a_category, book_body

STAFF_ROUTES = [
    ("POST", "/books"),
    ("PUT", "/books/{book}"),
    ("PATCH", "/books/{book}"),
    ("DELETE", "/books/{book}"),
    ("DELETE", "/books/{book}/cover"),
    ("POST", "/categories"),
    ("PUT", "/categories/{category}"),
    ("PATCH", "/categories/{category}"),
    ("DELETE", "/categories/{category}"),
    ("GET", "/inventory/{book}"),
    ("PATCH", "/inventory/{book}"),
    ("GET", "/inventory/{book}/movements"),
    ("GET", "/admin/books"),
    ("GET", "/admin/products"),
    ("GET", "/inventory/low-stock"),
]
BODIES = {"/books": book_body(), "/inventory": {"delta": 5, "reason": "theft"}, "/categories": {"name": "Mine"}}


async def _everything(shop: Resources) -> dict[str, list[dict[str, object]]]:
    # The watcher of the shared cache writes its grants whoever asks for what.
    names = [str(document.get_settings().name) for document in DOCUMENTS if document is not CacheGrant]
    return {name: await shop.database.database[name].find({}).sort("_id", 1).to_list() for name in names}


@pytest.fixture
async def paths(staff: httpx.AsyncClient) -> dict[str, str]:
    book = await a_book(staff)
    category = await a_category(staff)
    return {"book": book["id"], "category": category["id"]}


@pytest.mark.parametrize("route", STAFF_ROUTES, ids=" ".join)
async def test_only_staff_may(
    client: httpx.AsyncClient,
    customer: httpx.AsyncClient,
    shop: Resources,
    paths: dict[str, str],
    route: tuple[str, str],
) -> None:
    method, template = route
    path = API + template.format(**paths)
    body = next((body for prefix, body in BODIES.items() if template.startswith(prefix)), None)
    before = await _everything(shop)

    for headers in ({}, {"If-Match": "*"}, {"If-Match": "*", "Idempotency-Key": "k"}):
        for sent in (body, {"nonsense": 1}):
            json = None if method == "GET" else sent
            anonymous = await client.request(method, path, json=json, headers=headers)
            shopper = await customer.request(method, path, json=json, headers=headers)

            assert (anonymous.status_code, anonymous.json()["code"]) == (401, "authentication_required")
            assert anonymous.headers["www-authenticate"] == 'Bearer realm="bookstore"'
            assert (shopper.status_code, shopper.json()["code"]) == (403, "permission_denied")
            assert "www-authenticate" not in shopper.headers

    assert await _everything(shop) == before


async def test_the_list_of_staff_routes_is_complete(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{API}/openapi.json")).json()

    guarded = {
        (method.upper(), path.removeprefix(API))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") and not path.startswith(f"{API}/auth/")
    }

    named = {(method, template.replace("{book}", "{book_id}")) for method, template in STAFF_ROUTES}
    assert guarded == named
