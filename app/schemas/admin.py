"""Shapes the catalogue as staff see it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.book import BookView
from app.schemas.book_query import BookListQuery
from app.schemas.fields import Timestamp
from app.schemas.inventory import InventoryView


class AdminBookQuery(BookListQuery):
    """Asks for a list of books, archived ones too."""

    archived: Annotated[bool | None, Field(description="Only archived books, or only live ones; both if not given")] = (
        None
    )


class AdminBookView(BaseModel):
    """A book with what shoppers don't see of it."""

    model_config = ConfigDict(frozen=True)

    book: BookView
    inventory: InventoryView | None
    source: Annotated[str | None, Field(description="Where an import took it from")]
    popularity: int
    archived_at: Timestamp | None
