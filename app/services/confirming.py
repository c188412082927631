"""Finds out whether an e-mail address is its user's: sends a token there, and hears it again."""

from datetime import timedelta
from functools import partial

from app import clock
from app.errors import Gone, NotFound
from app.events import Event
from app.idempotency import Answer, Attempt, Once
from app.ids import USER_TOKEN, UserTokenId, new_id
from app.models.outbox_event import OutboxEvent
from app.models.user import User
from app.models.user_token import Purpose, UserToken
from app.rate_limits import Limit, Taken
from app.services.desk import Desk, Device
from app.user_tokens import hash_of, user_token

GONE = "This link was used, replaced by a newer one, or has expired; ask for another."


async def ask_for_confirmation(desk: Desk, user: User, attempt: Attempt) -> None:
    """Have a letter sent, within a transaction, that asks to confirm the user's address; older ones hold no longer."""
    await UserToken.forget(user.id, Purpose.VERIFY_EMAIL, session=attempt.session)
    token = new_token(desk, user, Purpose.VERIFY_EMAIL, seconds=desk.settings.verify_email_seconds)
    await token.insert(session=attempt.session)
    data = {"user_id": user.id, "token_id": token.id}
    await OutboxEvent.add(Event("user.verification_requested", user.id, data), session=attempt.session)


async def send_again(desk: Desk, user_id: str, *, device: Device, once: Once[None]) -> Answer:
    """Have the letter sent again; nothing is sent where the address is confirmed already. A repeat counts as none.

    Raises:
        RateLimited: too many letters to this address.
    """
    if (earlier := await once.replay(desk.writer)) is not None:
        return earlier
    user = await desk.writer.database.fresh(partial(User.of_id, user_id))
    if user is None:
        raise NotFound("There is no such user.")
    await count_letter(desk, user.email_folded or "", device)

    async def work(attempt: Attempt) -> None:
        now = await User.of_id(user_id, attempt.session)
        if now is not None and not now.email_verified:
            await ask_for_confirmation(desk, now, attempt)

    return await once.perform(desk.writer, work)


async def verify_email(desk: Desk, token: str, *, once: Once[None]) -> Answer:
    """Take an address for confirmed: who has the token reads what is sent there.

    Raises:
        Gone: the token doesn't hold (any more), or the user has another address now.
    """

    async def work(attempt: Attempt) -> None:
        moment = clock.now()
        used = await UserToken.use(hash_of(token), Purpose.VERIFY_EMAIL, at=moment, session=attempt.session)
        if used is None or used.user_id is None:
            raise Gone(GONE)
        changes = {"email_verified": True, "updated_at": moment}
        same_address = {"email_folded": used.email_folded}
        if await User.change(used.user_id, changes, where=same_address, session=attempt.session) is None:
            raise Gone(GONE)

    return await once.perform(desk.writer, work)


async def count_letter(desk: Desk, email_folded: str, device: Device) -> Taken:
    """Count one letter that somebody has sent to an address, whether anybody has the address or not.

    Raises:
        RateLimited: too many.
    """
    letter = Limit.spelt("letter", desk.settings.limit_letter)
    sender = Limit.spelt("letter-address", desk.settings.limit_letter_address)
    return await desk.limits.take((letter, email_folded), *desk.limits.of_address(sender, device.address))


def new_token(desk: Desk, user: User | None, purpose: Purpose, *, seconds: int, email_folded: str = "") -> UserToken:
    """Return a token's row, not stored yet; for nobody where no user is given."""
    token_id, moment = UserTokenId(new_id(USER_TOKEN)), clock.now()
    return UserToken(
        id=token_id,
        user_id=user.id if user else None,
        purpose=purpose,
        hash=hash_of(user_token(desk.settings, token_id)),
        email_folded=(user.email_folded if user else None) or email_folded,
        created_at=moment,
        expires_at=moment + timedelta(seconds=seconds),
    )
