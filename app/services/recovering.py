"""Gives people a new password: those who forgot theirs, by a letter; those who know it, at once."""

from functools import partial

from app import clock
from app.cache import tags
from app.errors import Gone, InvalidCredentials, NotFound
from app.events import Event
from app.idempotency import Answer, Attempt, Once
from app.models.outbox_event import OutboxEvent
from app.models.session import Session
from app.models.user import User, with_password
from app.models.user_token import Purpose, UserToken
from app.names import folded
from app.password_rules import check_password
from app.security import Principal
from app.services.confirming import GONE, count_letter, new_token
from app.services.desk import Desk, Device
from app.services.signing_in import check_own_password
from app.user_tokens import hash_of


async def forget_password(desk: Desk, email: str, *, device: Device, once: Once[None]) -> Answer:
    """Have a letter sent that lets its reader set a new password; older ones hold no longer.

    Does as much, writes as much, and answers the same where nobody has the address. A repeat counts as no letter.

    Raises:
        RateLimited: too many letters to this address, whether anybody has it or not.
    """
    if (earlier := await once.replay(desk.writer)) is not None:
        return earlier
    name = folded(email)
    await count_letter(desk, name, device)
    user = await desk.writer.database.fresh(lambda: User.of_login(name))
    if user is not None and user.disabled:
        user = None

    async def work(attempt: Attempt) -> None:
        await UserToken.forget(user.id if user else "nobody", Purpose.RESET_PASSWORD, session=attempt.session)
        seconds = desk.settings.reset_password_seconds
        token = new_token(desk, user, Purpose.RESET_PASSWORD, seconds=seconds, email_folded=name)
        await token.insert(session=attempt.session)
        if user is not None:
            data = {"user_id": user.id, "token_id": token.id}
            await OutboxEvent.add(Event("user.password_reset_requested", user.id, data), session=attempt.session)
        else:
            twin = new_token(desk, None, Purpose.RESET_PASSWORD, seconds=seconds, email_folded=name)
            await twin.insert(session=attempt.session)

    return await once.perform(desk.writer, work)


async def reset_password(desk: Desk, token: str, password: str, *, once: Once[None]) -> Answer:
    """Set a new password by a letter's token, and end every session: whoever was in may have been a stranger.

    Raises:
        Gone: the token doesn't hold (any more).
        InvalidInput: the password is no good; the token holds on.
    """
    check_password(password, pointer="/password")
    known = partial(UserToken.holds, hash_of(token), Purpose.RESET_PASSWORD, at=clock.now())
    # Nobody's guesses at tokens keep the hashing threads busy.
    hashed = await desk.passwords.hash(password) if await desk.writer.database.fresh(known) else None

    async def work(attempt: Attempt) -> None:
        if hashed is None:
            raise Gone(GONE)
        moment = clock.now()
        used = await UserToken.use(hash_of(token), Purpose.RESET_PASSWORD, at=moment, session=attempt.session)
        user = await User.of_id(used.user_id, attempt.session) if used and used.user_id else None
        if used is None or user is None or user.disabled or user.email_folded != used.email_folded:
            raise Gone(GONE)
        check_password(password, pointer="/password", own=own_words(user))
        # Whoever read the letter has the address, too.
        changes = with_password(hashed) | {"email_verified": True, "updated_at": moment}
        await User.change(user.id, changes, session=attempt.session)
        await UserToken.forget(user.id, session=attempt.session)
        attempt.touch(tags.of_sessions(await Session.end_all(user.id, session=attempt.session)))

    return await once.perform(desk.writer, work)


async def change_password(
    desk: Desk, who: Principal, *, current: str, password: str, device: Device, once: Once[None]
) -> Answer:
    """Set a new password for who knows the current one, and end the user's other sessions.

    A repeat names what is no longer the current one: it is answered before that is looked at, and is no guess.

    Raises:
        InvalidCredentials: the current password is wrong.
        InvalidInput: the new one is no good.
        RateLimited: too many wrong ones.
    """
    user = await desk.writer.database.fresh(partial(User.of_id, who.user_id))
    if user is None:
        raise NotFound("There is no such user.")
    # Asked after the user was read: where that is the changed one already, the first request's answer is there, too.
    if (earlier := await once.replay(desk.writer)) is not None:
        return earlier
    check_password(password, pointer="/password", own=own_words(user))
    await check_own_password(desk, user, current, device=device)
    hashed = await desk.passwords.hash(password)

    async def work(attempt: Attempt) -> None:
        changes = with_password(hashed) | {"updated_at": clock.now()}
        known = {"password_id": user.password_id}
        if await User.change(user.id, changes, where=known, session=attempt.session) is None:
            raise InvalidCredentials("The current password is wrong.")
        await UserToken.forget(user.id, Purpose.RESET_PASSWORD, session=attempt.session)
        ended = await Session.end_all(user.id, but=who.session_id, session=attempt.session)
        attempt.touch(tags.of_sessions(ended))

    return await once.perform(desk.writer, work)


def own_words(user: User) -> tuple[str | None, ...]:
    """Return what a user's password must not be made of."""
    return user.email, user.username, user.first_name, user.last_name
