"""Shapes accounts, sign-ins and tokens as the API takes and gives them."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr

from app.ids import UserId
from app.schemas.fields import Line, Timestamp
from app.security import Role
from app.wording import spelt

Email = Annotated[
    str,
    Field(
        # As in browsers (WHATWG HTML, "valid e-mail address"), with a dot in the domain; before the @ only such dots as
        # RFC 5321 allows without quotes, and no question mark, which could make an encoded word of it (RFC 2047):
        # to others no letter goes.
        pattern=spelt(
            r"^(?:[a-zA-Z0-9!#$%&'*+/=^_`{|}~-]\.?){0,63}[a-zA-Z0-9!#$%&'*+/=^_`{|}~-]@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
            r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+$",
            "must be an e-mail address, such as ada@example.com",
        ),
        max_length=254,
        examples=["ada@example.com"],
    ),
]
Username = Annotated[
    str,
    Field(
        pattern=spelt(
            r"^[A-Za-z0-9][A-Za-z0-9._-]{2,31}$",
            "must have 3 to 32 characters: letters from A to Z, digits, and after the first also . _ -",
        ),
        examples=["ada"],
    ),
]
"""Never an e-mail address: it has no `@`."""

Password = Annotated[SecretStr, Field(max_length=1024)]
"""Bounded here so that nothing hashes a book; the rules for new ones are in `app.password_rules`."""

Login = Annotated[str, Field(max_length=254)]
PersonName = Annotated[Line, Field(max_length=100)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class Registration(BaseModel):
    """Who wants an account."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    username: Username
    password: Password
    password2: Annotated[Password | None, Field(description="The same again, if at all")] = None
    first_name: PersonName | None = None
    last_name: PersonName | None = None


class SignIn(BaseModel):
    """Who wants in: by e-mail address or username."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[
        Login,
        Field(
            validation_alias=AliasChoices("login", "username", "email"),
            description="E-mail address or username; `username` or `email` is taken in its place",
        ),
    ]
    password: Password


class PasswordGrant(BaseModel):
    """The form of OAuth 2's password flow (RFC 6749, section 4.3.2); scopes and clients mean nothing here."""

    grant_type: Literal["password"] = "password"
    username: Login
    password: Password
    scope: Annotated[str, Field(max_length=1024)] = ""
    client_id: Annotated[str | None, Field(max_length=1024)] = None
    client_secret: Annotated[SecretStr | None, Field(max_length=1024)] = None


class Refresh(BaseModel):
    """A refresh token to be exchanged for the next."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: Secret


class SignOut(BaseModel):
    """Which session to end: this request's, or that of a refresh token."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: Secret | None = None


class UserView(BaseModel):
    """A user, as the user and the shop see it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: UserId
    email: str
    username: str
    first_name: str | None
    last_name: str | None
    role: Role
    email_verified: bool
    created_at: Timestamp


class TokensView(BaseModel):
    """What a client signs its requests with (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  a kind of token
    expires_in: Annotated[int, Field(description="Seconds that the access token lasts")]


class WelcomeView(TokensView):
    """A new user, signed in."""

    user: UserView
