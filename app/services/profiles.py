"""Shows and changes what the shop knows of its users, and forgets them when they want it to."""

from collections.abc import Callable

from pymongo.errors import DuplicateKeyError

from app import clock
from app.cache import tags
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.idempotency import Answer, Attempt, Once
from app.merge_patch import apply_patch
from app.models.address import SavedAddress
from app.models.cart import Cart
from app.models.order import Order
from app.models.session import Session
from app.models.user import User
from app.models.user_token import UserToken
from app.names import folded
from app.schemas.account import UserView
from app.schemas.profile import Profile
from app.security import Principal, Role
from app.services.confirming import ask_for_confirmation, count_letter
from app.services.desk import Desk, Device
from app.services.signing_in import check_own_password, name_taken

_UNKNOWN = "There is no such user."


async def get_user(user_id: str, *, asked_by: Principal) -> UserView:
    """Return a user: oneself, or anybody to an administrator.

    Raises:
        NotFound: there is none, or it is somebody else.
    """
    user = await User.of_id(_visible(user_id, asked_by))
    if user is None:
        raise NotFound(_UNKNOWN)
    return UserView.model_validate(user)


async def replace_user(
    desk: Desk, user_id: str, given: Profile, *, asked_by: Principal, device: Device, once: Once[UserView]
) -> Answer:
    """Replace the fields that a user may write; see `patch_user`."""
    return await _change(desk, user_id, lambda _: given, asked_by=asked_by, device=device, once=once)


async def patch_user(
    desk: Desk, user_id: str, patch: dict[str, object], *, asked_by: Principal, device: Device, once: Once[UserView]
) -> Answer:
    """Change some of the fields that a user may write.

    Another e-mail address wants the current password, since a letter to it opens the account; it isn't confirmed then.

    Raises:
        NotFound: there is no such user, or it is somebody else.
        EmailTaken, UsernameTaken: somebody has it.
        InvalidCredentials: the current password is wrong.
        RateLimited: too many wrong ones, or too many letters to the new address.
    """

    def patched(current: User) -> Profile:
        return apply_patch(Profile, _writable(current), patch)

    return await _change(desk, user_id, patched, asked_by=asked_by, device=device, once=once)


async def _change(
    desk: Desk,
    user_id: str,
    wanted: Callable[[User], Profile],
    *,
    asked_by: Principal,
    device: Device,
    once: Once[UserView],
) -> Answer:
    before = await desk.writer.database.fresh(lambda: User.of_id(_visible(user_id, asked_by)))
    if before is None:
        raise NotFound(_UNKNOWN)
    proven = False
    if folded(wanted(before).email) != before.email_folded:
        proven = await _prove(desk, before, wanted(before), asked_by=asked_by, device=device)

    async def work(attempt: Attempt) -> UserView:
        user = await User.of_id(user_id, attempt.session)
        if user is None:
            raise NotFound(_UNKNOWN)
        given, moment = wanted(user), clock.now()
        moved = folded(given.email) != user.email_folded
        if moved and not proven:
            raise Conflict("The e-mail address was changed in the meantime; look again and repeat your change.")
        changes = given.model_dump(exclude={"current_password"}) | {
            "email_folded": folded(given.email),
            "username_folded": folded(given.username),
            "updated_at": moment,
        }
        try:
            after = await User.change(
                user_id, changes | ({"email_verified": False} if moved else {}), session=attempt.session
            )
        except DuplicateKeyError as error:
            raise name_taken(error) from error
        if after is None:
            raise NotFound(_UNKNOWN)
        if moved:
            await UserToken.forget(user_id, session=attempt.session)
            await ask_for_confirmation(desk, after, attempt)
        return UserView.model_validate(after)

    return await once.perform(desk.writer, work)


async def _prove(desk: Desk, user: User, given: Profile, *, asked_by: Principal, device: Device) -> bool:
    if asked_by.user_id != user.id:
        return True
    if given.current_password is None:
        raise InvalidInput(
            FieldError("/current_password", "current_password_needed", "is needed to change the e-mail address")
        )
    await check_own_password(desk, user, given.current_password.get_secret_value(), device=device)
    # The new address gets a letter, whether it is theirs or not.
    await count_letter(desk, folded(given.email), device)
    return True


async def delete_user(desk: Desk, user_id: str, *, asked_by: Principal, once: Once[None]) -> Answer:
    """Forget who a user is: names, addresses, password, sessions, cart. The orders stay, under an id that names nobody.

    An order that is still on its way keeps its address until it has ended (`app.services.fulfilment`).

    Raises:
        NotFound: there is no such user, or it is somebody else.
        Conflict: an administrator; another one takes the role away first, so that the shop keeps one.
    """
    _visible(user_id, asked_by)

    async def work(attempt: Attempt) -> None:
        user = await User.of_id(user_id, attempt.session)
        if user is None:
            raise NotFound(_UNKNOWN)
        if user.role is Role.ADMIN:
            raise Conflict("An administrator's account can't be deleted; another one takes the role away first.")
        nameless = dict.fromkeys(
            ("email", "email_folded", "username", "username_folded", "password_hash", "first_name", "last_name")
        )
        changes = nameless | {"deleted": True, "email_verified": False, "updated_at": clock.now()}
        await User.change(user_id, changes, session=attempt.session)
        await UserToken.forget(user_id, session=attempt.session)
        await SavedAddress.forget(user_id, session=attempt.session)
        await Cart.forget(user_id, session=attempt.session)
        await Order.forget_buyer(user_id, session=attempt.session)
        attempt.touch(tags.of_sessions(await Session.end_all(user_id, session=attempt.session)))

    return await once.perform(desk.writer, work)


def _visible(user_id: str, asked_by: Principal) -> str:
    if user_id != asked_by.user_id and not asked_by.is_admin:
        raise NotFound(_UNKNOWN)
    return user_id


def _writable(user: User) -> dict[str, object]:
    return {name: getattr(user, name) for name in Profile.model_fields if name != "current_password"}
