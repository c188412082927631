"""Keeps who has an account, and every question that the program asks about them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from beanie import Document, SortDirection
from pydantic import Field
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from app.ids import PASSWORD, USER, UserId, new_id
from app.names import folded
from app.security import Role

_TAKEN_ONCE: dict[str, Any] = {"$type": "string"}


def with_password(hashed: str) -> dict[str, Any]:
    """Return the fields to write where a user gets a password, or another hash of it."""
    return {"password_hash": hashed, "password_id": new_id(PASSWORD)}


class User(Document):
    """Somebody with an account. After its deletion the id is all that is left: orders name it."""

    id: UserId = Field(default_factory=lambda: UserId(new_id(USER)))  # type: ignore[assignment]
    email: str | None
    email_folded: Annotated[str | None, Field(description="What two spellings of one address have in common")]
    username: str | None
    username_folded: str | None
    password_hash: Annotated[str | None, Field(description="Without one nobody signs in by password")] = None
    password_id: Annotated[
        str | None,
        Field(description="Changes with the hash, and stands for it in conditions: MongoDB logs those that conflict"),
    ] = None
    first_name: str | None = None
    last_name: str | None = None
    role: Role = Role.CUSTOMER
    email_verified: bool = False
    disabled: bool = False
    deleted: bool = False
    created_at: datetime
    updated_at: datetime
    signed_in_at: datetime | None = None
    addresses_changed_at: Annotated[
        datetime | None, Field(description="When an address was added: adding and deleting the account meet here")
    ] = None
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
        [found] = await cls.of_logins([login])
        return found

    @classmethod
    async def of_logins(cls, logins: Sequence[str]) -> "Sequence[User | None]":
        """Return whose names these are, each as `of_login` does."""
        wanted = [("email_folded" if "@" in name else "username_folded", name) for name in map(folded, logins)]
        fields = sorted({field for field, _ in wanted})
        named = [{field: {"$in": [name for of, name in wanted if of == field]}} for field in fields]
        known = await cls.get_pymongo_collection().find({"$or": named} if len(named) > 1 else named[0]).to_list()
        users = {(field, one[field]): one for one in known for field in fields}
        return [cls.model_validate(users[one]) if one in users else None for one in wanted]

    @classmethod
    async def note_sign_in(
        cls, user: "User", *, new_hash: str | None, at: datetime, session: AsyncClientSession
    ) -> "User | None":
        """Note that a user signed in with the password that was theirs when read; None where it isn't any more.

        The write makes sign-ins, and changes of password, role and standing, follow one another: no session is opened
        by a password that a transaction beside this one replaces.
        """
        changes: dict[str, Any] = {"signed_in_at": at} | (with_password(new_hash) if new_hash else {})
        still = {"password_id": user.password_id, "disabled": False, "deleted": False}
        return await cls._update(user.id, changes, where=still, session=session)

    @classmethod
    async def note_sign_ins(
        cls, signed_in: "Sequence[tuple[User, str | None]]", *, at: datetime, session: AsyncClientSession
    ) -> bool:
        """Note as `note_sign_in` does that these users signed in, each with a new hash where one is given.

        Tell whether all of them may still do so and have the role that they had when they were read.
        """
        notes = [
            UpdateOne(
                {
                    "_id": user.id,
                    "password_id": user.password_id,
                    "role": user.role.value,
                    "disabled": False,
                    "deleted": False,
                },
                {"$set": {"signed_in_at": at} | (with_password(new_hash) if new_hash else {})},
            )
            for user, new_hash in signed_in
        ]
        done = await cls.get_pymongo_collection().bulk_write(notes, session=session)
        return done.matched_count == len(notes)

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
        return await cls._update(user_id, changes, where={"deleted": False, **(where or {})}, session=session)

    @classmethod
    async def _update(
        cls, user_id: str, changes: Mapping[str, Any], *, where: Mapping[str, Any], session: AsyncClientSession
    ) -> "User | None":
        # Not by findAndModify: MongoDB logs the whole of one that meets another write, names and hashes in it.
        users = cls.get_pymongo_collection()
        done = await users.update_one({"_id": user_id, **where}, {"$set": dict(changes)}, session=session)
        return await cls.find_one({"_id": user_id}, session=session) if done.matched_count else None

    @classmethod
    async def listed(cls, filters: Mapping[str, Any], *, after: str | None, limit: int) -> "list[User]":
        """Return the users that these filters let through, the newest first."""
        query: dict[str, Any] = {"deleted": False, **filters} | ({"_id": {"$lt": after}} if after else {})
        return await cls.find(query).sort([("_id", SortDirection.DESCENDING)]).limit(limit).to_list()

    @classmethod
    async def counted(cls, filters: Mapping[str, Any], *, up_to: int) -> int:
        """Return how many users these filters let through, counting no further than one above `up_to`."""
        return await cls.get_pymongo_collection().count_documents({"deleted": False, **filters}, limit=up_to + 1)
