"""Shapes the catalogue as staff see it, and the users as administrators do."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.account import Email, Username, UserView
from app.schemas.book import BookView
from app.schemas.book_query import BookListQuery, ListQuery
from app.schemas.fields import Flag, Timestamp
from app.schemas.inventory import InventoryView
from app.security import Role


class AdminBookQuery(BookListQuery):
    """Asks for a list of books, archived ones too."""

    archived: Annotated[Flag | None, Field(description="Only archived books, or only live ones; both if not given")] = (
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


class AdminUserQuery(ListQuery):
    """Asks for a list of users: values of one filter mean OR, filters among themselves AND."""

    role: Annotated[list[Role], Field(max_length=3, default_factory=list)]
    disabled: Annotated[Flag | None, Field(description="Only shut accounts, or only open ones; both if not given")] = (
        None
    )
    email: Annotated[list[Email], Field(max_length=20, description="The whole address, in any case")] = Field(
        default_factory=list
    )
    username: Annotated[list[Username], Field(max_length=20, description="The whole name, in any case")] = Field(
        default_factory=list
    )


class AdminUserView(UserView):
    """A user, as administrators see it."""

    disabled: bool
    updated_at: Timestamp
    signed_in_at: Timestamp | None


class Standing(BaseModel):
    """What an administrator may change of an account: the role, and whether it is shut."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    disabled: Annotated[bool | None, Field(strict=True)] = None
