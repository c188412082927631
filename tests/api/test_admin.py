import httpx

from tests.factories.books import API, a_book, stock_of


async def test_staff_see_archived_books_and_stocks(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    kept = await a_book(staff, title="Kept")
    gone = await a_book(staff, title="Gone")
    await stock_of(staff, kept["id"], 3)
    etag = (await staff.get(f"{API}/books/{gone['id']}")).headers["etag"]
    await staff.delete(f"{API}/books/{gone['id']}", headers={"If-Match": etag})

    async def titles(query: str) -> list[str]:
        response = await staff.get(f"{API}/admin/books?sort=title&include=total&{query}")
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "private, no-store"
        page = response.json()
        assert page["page"]["total"]["value"] == len(page["data"])
        return [one["book"]["title"] for one in page["data"]]

    assert await titles("") == ["Gone", "Kept"]
    assert await titles("archived=true") == ["Gone"]
    assert await titles("archived=false") == ["Kept"]
    (shown,) = (await staff.get(f"{API}/admin/products?archived=false")).json()["data"]
    assert (shown["inventory"]["on_hand"], shown["archived_at"], shown["source"]) == (3, None, None)
    assert (await client.get(f"{API}/admin/books")).status_code == 401


async def test_staff_page_through_all_books(staff: httpx.AsyncClient) -> None:
    ids = [(await a_book(staff, title=f"Book {number}"))["id"] for number in range(5)]

    seen: list[str] = []
    url: str | None = f"{API}/admin/books?limit=2&sort=created_at"
    while url:
        response = await staff.get(url)
        seen += [one["book"]["id"] for one in response.json()["data"]]
        url = response.links["next"]["url"] if "next" in response.links else None

    assert seen == ids
