"""Shows staff the whole shop, with what shoppers don't see."""

from app.models.book import ALL, ARCHIVED, LIVE, Book
from app.models.book_filters import after, position_of, sort_spec
from app.models.inventory import Inventory
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.schemas.admin import AdminBookQuery, AdminBookView
from app.schemas.book import BookView
from app.services.browsing import narrowing_query, revived
from app.services.stocktaking import inventory_view


async def list_all_books(asked: AdminBookQuery, *, sort: str, page: PageRequest) -> Page[AdminBookView]:
    """Return a page of books with their stock, live and archived ones as asked for.

    Raises:
        InvalidInput: a category that there isn't.
    """
    query = await narrowing_query(asked)
    among = {None: ALL, True: ARCHIVED, False: LIVE}[asked.archived]
    spec = sort_spec(sort)
    beyond = {"$and": [query, after(revived(page.after, spec), spec)]} if page.after else query
    documents = await Book.page(
        beyond, sort=spec, limit=page.fetch, among=among, also=("source", "popularity", "archived_at")
    )
    stocks = await Inventory.of_books([document["_id"] for document in documents])
    total = await Book.count_matching(query, at_most=COUNTED_UP_TO + 1, among=among) if page.with_total else None
    return page.page_of(
        [
            (
                position_of(document, spec),
                AdminBookView(
                    book=BookView.model_validate(document),
                    inventory=inventory_view(stocks[document["_id"]]) if document["_id"] in stocks else None,
                    source=document.get("source"),
                    popularity=document["popularity"],
                    archived_at=document["archived_at"],
                ),
            )
            for document in documents
        ],
        total,
    )
