"""Shapes what the shop's people did."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from app.clock import rfc3339
from app.ids import AuditEntryId, UserId
from app.schemas.book_query import ListQuery
from app.schemas.fields import Line, Timestamp

_Name = Annotated[Line, Field(max_length=64)]


def _shown(value: Any) -> Any:
    """Return what is in the database as the API shows it: moments as `Timestamp` does, however deep they are."""
    match value:
        case datetime():
            return rfc3339(value)
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case list():
            return [_shown(one) for one in value]
        case _:
            return value


_Fields = Annotated[dict[str, Any], PlainSerializer(_shown, return_type=dict[str, Any])]


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
    before: Annotated[_Fields, Field(description="Empty for what was made")]
    after: Annotated[_Fields, Field(description="Empty for what was removed")]


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
