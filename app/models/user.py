"""Keeps who has an account, and every question that the program asks about them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import USER, UserId, new_id
from app.names import folded
from app.security import Role

_TAKEN_ONCE: dict[str, Any] = {"$type": "string"}


class User(Document):
    """Somebody with an account. After its deletion the id is all that is left: orders name it."""

    id: UserId = Field(default_factory=lambda: UserId(new_id(USER)))  # type: ignore[assignment]
    email: str | None
    email_folded: Annotated[str | None, Field(description="What two spellings of one address have in common")]
    username: str | None
    username_folded: str | None
    password_hash: Annotated[str | None, Field(description="Without one nobody signs in by password")] = None
    first_name: str | None = None
    last_name: str | None = None
    role: Role = Role.CUSTOMER
    email_verified: bool = False
    disabled: bool = False
    deleted: bool = False
    created_at: datetime
    updated_at: datetime
    signed_in_at: datetime | None = None
    acted_at: Annotated[datetime | None, Field(description="When, as administrator, last changed an account")] = None

    class Settings:
        """How it is stored."""

        name = "users"

    INDEXES: ClassVar[list[IndexModel]] = [
        IndexModel(
            "email_folded", name="email_taken", unique=True, partialFilterExpression={"email_folded": _TAKEN_ONCE}
        ),
        IndexModel(
            "username_folded",
            name="username_taken",
            unique=True,
            partialFilterExpression={"username_folded": _TAKEN_ONCE},
        ),
        IndexModel([("role", ASCENDING), ("_id", ASCENDING)]),
    ]

    @classmethod
    def named(cls, *, email: str, username: str, **rest: Any) -> "User":
        """Return a user with these names, not stored yet."""
        return cls(email=email, email_folded=folded(email), username=username, username_folded=folded(username), **rest)

    @classmethod
    async def of_id(cls, user_id: str, session: AsyncClientSession | None = None) -> "User | None":
        """Return the user, unless the account was deleted."""
        return await cls.find_one({"_id": user_id, "deleted": False}, session=session)

    @classmethod
    async def is_gone(cls, user_id: str, *, session: AsyncClientSession) -> bool:
        """Tell whether the user's account was deleted."""
        query = {"_id": user_id, "deleted": True}
        return await cls.get_pymongo_collection().count_documents(query, limit=1, session=session) > 0

    @classmethod
    async def of_login(cls, login: str) -> "User | None":
        """Return whose e-mail address or username this is, in any spelling."""
        name = folded(login)
        return await cls.find_one({"email_folded" if "@" in name else "username_folded": name})

    @classmethod
    async def note_sign_in(
        cls, user_id: str, *, password_hash: str | None, new_hash: str | None, at: datetime, session: AsyncClientSession
    ) -> "User | None":
        """Note that the user signed in with the password of this hash; None where it isn't theirs any more.

        The write makes sign-ins, and changes of password, role and standing, follow one another: no session is opened
        by a password that a transaction beside this one replaces.
        """
        changes: dict[str, Any] = {"signed_in_at": at} | ({"password_hash": new_hash} if new_hash else {})
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": user_id, "password_hash": password_hash, "disabled": False, "deleted": False},
            {"$set": changes},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def change(
        cls,
        user_id: str,
        changes: Mapping[str, Any],
        *,
        session: AsyncClientSession,
        where: Mapping[str, Any] | None = None,
    ) -> "User | None":
        """Set these fields; None where there is no such user, or the condition doesn't hold.

        Raises:
            DuplicateKeyError: somebody else has the e-mail address or the username.
        """
        found = await cls.get_pymongo_collection().find_one_and_update(
            {"_id": user_id, "deleted": False, **(where or {})},
            {"$set": dict(changes)},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return cls.model_validate(found) if found else None

    @classmethod
    async def listed(cls, filters: Mapping[str, Any], *, after: str | None, limit: int) -> "list[User]":
        """Return the users that these filters let through, the newest first."""
        query: dict[str, Any] = {"deleted": False, **filters} | ({"_id": {"$lt": after}} if after else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def counted(cls, filters: Mapping[str, Any], *, up_to: int) -> int:
        """Return how many users these filters let through, counting no further than one above `up_to`."""
        return await cls.get_pymongo_collection().count_documents({"deleted": False, **filters}, limit=up_to + 1)
