"""Shapes what the shop's people did."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.ids import AuditEntryId, UserId
from app.schemas.book_query import ListQuery
from app.schemas.fields import Line, Timestamp

_Name = Annotated[Line, Field(max_length=64)]


class AuditQuery(ListQuery):
    """Asks for a part of the audit log: values of one filter mean OR, filters among themselves AND."""

    actor: Annotated[list[_Name], Field(max_length=20, description="Whose acts: a user's id")] = Field(
        default_factory=list
    )
    action: Annotated[list[_Name], Field(max_length=20, description="Such as `change_stock`")] = Field(
        default_factory=list
    )
    of: Annotated[list[_Name], Field(max_length=20, description="What was changed: the id of a book, an order, …")] = (
        Field(default_factory=list)
    )


class ChangeView(BaseModel):
    """What became of one thing: only the fields that are not as they were; secrets are concealed."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    kind: Annotated[str, Field(examples=["inventory"])]
    of: str
    before: Annotated[dict[str, Any], Field(description="Empty for what was made")]
    after: Annotated[dict[str, Any], Field(description="Empty for what was removed")]


class AuditEntryView(BaseModel):
    """One act of somebody who works in the shop."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: AuditEntryId
    at: Timestamp
    actor: UserId
    role: str
    action: Annotated[str, Field(examples=["change_stock"])]
    method: str
    path: str
    request_id: str
    changes: list[ChangeView]
