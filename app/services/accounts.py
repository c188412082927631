"""Makes accounts without a form: for the first administrator, and for trying things out."""

import re
import secrets
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError
from pymongo.asynchronous.client_session import AsyncClientSession

from app import acting, clock
from app.auditing import audited
from app.cache import tags
from app.errors import FieldError, InvalidInput
from app.idempotency import Attempt
from app.ids import USER, UserId, new_id
from app.models.session import Session
from app.models.user import User, with_password
from app.names import folded
from app.password_rules import check_password
from app.schemas.account import Email, TokensView
from app.security import Role
from app.services.desk import Desk, Device
from app.services.sessions import open_session

OPERATOR: Final = UserId("operator")
"""Who has a terminal on the machine, in the audit log."""


async def open_session_for(desk: Desk, role: Role) -> TokensView:
    """Make somebody new with this role and without a password, open a session, and return its tokens.

    Twice makes two people.
    """
    moment = clock.now()
    user_id = UserId(new_id(USER))
    name = user_id.removeprefix(f"{USER}_").lower()
    user = User.named(
        id=user_id,
        email=f"{role}-{name}@bookstore.invalid",
        username=f"{role}-{name[10:]}",
        role=role,
        email_verified=True,
        created_at=moment,
        updated_at=moment,
    )

    async def transaction(session: AsyncClientSession) -> TokensView:
        await user.insert(session=session)
        return await open_session(desk, user, Attempt(session), device=Device(user_agent="./bookstore token"))

    return await desk.writer.database.run_in_transaction(transaction)


@dataclass(frozen=True)
class NewAdmin:
    """Who became an administrator, and the password that was made up where none was given."""

    user: User
    generated: str | None


async def make_admin(desk: Desk, email: str, *, password: str | None) -> NewAdmin:
    """Make an administrator with this e-mail address; whoever has an account with it becomes one and is let in again.

    The address counts as confirmed: who may run this may do anything. A new account without a password given gets a
    random one, and so does one whose address nobody has confirmed: whoever made it may be somebody else. Any other
    account keeps its own unless one is given. Whoever had an account is signed out everywhere, each time that it runs.

    Raises:
        InvalidInput: that is no e-mail address, or the password is no good.
    """
    _check_email(email)
    if password is not None:
        check_password(password, pointer="/password", own=(email,))
    known = await User.of_login(email)
    anybodys = known is None or not known.email_verified
    generated = secrets.token_urlsafe(18) if anybodys and password is None else None
    chosen = password or generated
    hashed = await desk.passwords.hash(chosen) if chosen else None

    async def work(session: AsyncClientSession) -> tuple[User, frozenset[str]]:
        moment = clock.now()
        rights = {"role": Role.ADMIN, "disabled": False, "email_verified": True, "updated_at": moment}
        rights |= with_password(hashed) if hashed else {}
        if known is not None:
            user = await User.change(known.id, rights, session=session)
            if user is not None:
                ended = await Session.end_all(user.id, session=session)
                return user, tags.of_sessions(ended)
        user = User.named(email=email, username=_username_for(email), created_at=moment, **rights)
        await user.insert(session=session)
        return user, frozenset()

    async def transaction(session: AsyncClientSession) -> tuple[User, frozenset[str]]:
        ended: frozenset[str] = frozenset()

        async def audited_work() -> User:
            nonlocal ended
            user, ended = await work(session)
            return user

        with acting.request():
            acting.remember(_by_the_operator(known))
            return await audited(session, audited_work), ended

    made, ended = await desk.writer.database.run_in_transaction(transaction)
    await desk.writer.invalidator.touch(ended)
    return NewAdmin(made, generated)


def _by_the_operator(known: User | None) -> acting.Act:
    return acting.Act(
        actor=OPERATOR,
        role="operator",
        action="create_admin",
        method="",
        path="./bookstore admin create",
        named={"user_id": known.id} if known else {},
        request_id="",
    )


def _check_email(email: str) -> None:
    try:
        TypeAdapter(Email).validate_python(email)
    except ValidationError as error:
        raise InvalidInput(FieldError("/email", "email_invalid", "is no e-mail address")) from error


def _username_for(email: str) -> str:
    letters = re.sub(r"[^a-z0-9]+", "", folded(email).partition("@")[0])[:20]
    return f"{letters or 'admin'}-{secrets.token_hex(3)}"
