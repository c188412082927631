"""Lets administrators look at every account, say who works in the shop, and shut accounts."""

from typing import Any

from app import clock
from app.cache import tags
from app.errors import Conflict, NotFound, PermissionDenied
from app.idempotency import Answer, Attempt, Once, Writer
from app.models.session import Session
from app.models.user import User
from app.models.user_token import UserToken
from app.names import folded
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.schemas.admin import AdminUserQuery, AdminUserView, Standing
from app.security import Principal, Role


async def list_users(query: AdminUserQuery, *, page: PageRequest) -> Page[AdminUserView]:
    """Return the users that the filters let through, the newest first."""
    filters: dict[str, Any] = {}
    if query.role:
        filters["role"] = {"$in": [one.value for one in query.role]}
    if query.disabled is not None:
        filters["disabled"] = query.disabled
    if query.email:
        filters["email_folded"] = {"$in": [folded(one) for one in query.email]}
    if query.username:
        filters["username_folded"] = {"$in": [folded(one) for one in query.username]}
    found = await User.listed(filters, after=page.after[0] if page.after else None, limit=page.fetch)
    total = await User.counted(filters, up_to=COUNTED_UP_TO) if page.with_total else None
    return page.page_of([((one.id,), AdminUserView.model_validate(one)) for one in found], total)


async def change_standing(
    writer: Writer, user_id: str, change: Standing, *, asked_by: Principal, once: Once[AdminUserView]
) -> Answer:
    """Give a user another role, or shut or open the account. Shut, its sessions end; another role holds at once.

    Raises:
        NotFound: there is no such user.
        Conflict: it is the administrator's own account: so there is always one.
    """

    async def work(attempt: Attempt) -> AdminUserView:
        moment, session = clock.now(), attempt.session
        if user_id == asked_by.user_id:
            raise Conflict("Your own role and standing are for another administrator to change.")
        # Two who take the role from each other at once meet here: one of them isn't an administrator any more.
        still = {"role": Role.ADMIN.value, "disabled": False}
        if await User.change(asked_by.user_id, {"acted_at": moment}, where=still, session=session) is None:
            raise PermissionDenied("Only the shop's administrators may do this.")
        changes = {name: value for name, value in change.model_dump(mode="json").items() if value is not None}
        user = await User.change(user_id, changes | {"updated_at": moment}, session=session)
        if user is None:
            raise NotFound("There is no such user.")
        if user.disabled:
            await UserToken.forget(user_id, session=session)
            attempt.touch(tags.of_sessions(await Session.end_all(user_id, session=session)))
        elif change.role is not None:
            attempt.touch(tags.of_sessions(await Session.give_role(user_id, user.role, session=session)))
        return AdminUserView.model_validate(user)

    return await once.perform(writer, work)
