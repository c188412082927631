"""Makes accounts without a form: for the first administrator, and for trying things out."""

from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.idempotency import Attempt
from app.ids import USER, UserId, new_id
from app.models.user import User
from app.schemas.account import TokensView
from app.security import Role
from app.services.sessions import Desk, Device, open_session


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
