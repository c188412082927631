"""Shapes what users say of themselves: profiles, addresses, passwords; and what they see of their sessions."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.ids import AddressId, SessionId
from app.schemas.account import Email, Password, PersonName, Secret, Username
from app.schemas.address import Address
from app.schemas.fields import Timestamp


class Profile(BaseModel):
    """The fields of a user that the user may write."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    username: Username
    first_name: PersonName | None = None
    last_name: PersonName | None = None
    current_password: Annotated[
        SecretStr | None, Field(max_length=1024, description="Needed to change the e-mail address")
    ] = None


class PasswordChange(BaseModel):
    """A new password, and the one that it replaces."""

    model_config = ConfigDict(extra="forbid")

    current_password: Password
    password: Password


class ForgottenPassword(BaseModel):
    """Whose password was forgotten."""

    model_config = ConfigDict(extra="forbid")

    email: Email


class PasswordReset(BaseModel):
    """A letter's token, and the new password."""

    model_config = ConfigDict(extra="forbid")

    token: Secret
    password: Password


class Confirmation(BaseModel):
    """A letter's token."""

    model_config = ConfigDict(extra="forbid")

    token: Secret


class SessionView(BaseModel):
    """A session, as its user sees it."""

    model_config = ConfigDict(frozen=True)

    id: SessionId
    current: Annotated[bool, Field(description="Whether this very request belongs to it")]
    address: Annotated[str | None, Field(description="From where it was opened")]
    user_agent: Annotated[str | None, Field(description="With what it was opened")]
    created_at: Timestamp
    refreshed_at: Timestamp
    expires_at: Timestamp


class AddressView(Address):
    """An address in a user's book."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: AddressId
    created_at: Timestamp
    updated_at: Timestamp
