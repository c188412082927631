"""Opens, continues and ends sessions."""

from datetime import timedelta

from pymongo.asynchronous.client_session import AsyncClientSession

from app import clock
from app.cache import tags
from app.errors import InvalidToken, NotFound
from app.idempotency import Answer, Attempt, Once
from app.ids import SESSION, SessionId, new_id
from app.models.session import Session
from app.models.user import User
from app.pagination import COUNTED_UP_TO, Page, PageRequest
from app.refresh_tokens import RefreshToken
from app.schemas.account import TokensView
from app.schemas.profile import SessionView
from app.security import Principal, issue_access_token
from app.services.admitting import Admission
from app.services.desk import Desk, Device

_REFUSED = "The refresh token is not valid or has expired; sign in again."


class _UsedAgain(InvalidToken):
    """A refresh token that was ours and holds no more: somebody has a copy."""

    def __init__(self, session_id: SessionId) -> None:
        super().__init__(_REFUSED)
        self.session_id = session_id


async def open_session(desk: Desk, user: User, attempt: Attempt, *, device: Device) -> TokensView:
    """Open a session for a user within a transaction, and return its tokens."""
    session, token = _begun(desk, user, device)
    await session.insert(session=attempt.session)
    return _tokens(desk, session, token)


async def open_session_beside_others(
    desk: Desk, user: User, new_hash: str | None, *, device: Device
) -> TokensView | None:
    """Open a session for a user whose password was right, in a transaction with those who sign in at the same time.

    Returns its tokens; None where that can't be done together: nothing happened.

    Raises:
        NoPrimary, DeadlineExceeded, DependencyUnavailable: the outcome is unknown.
    """
    session, token = _begun(desk, user, device)
    if not await desk.admissions.admit(Admission(user, session, new_hash)):
        return None
    return _tokens(desk, session, token)


def _begun(desk: Desk, user: User, device: Device) -> tuple[Session, RefreshToken]:
    moment = clock.now()
    token = desk.refresh_tokens.first(SessionId(new_id(SESSION)))
    session = Session(
        id=token.session_id,
        user_id=user.id,
        role=user.role,
        refresh_hash=token.hash,
        rotated_at=moment,
        created_at=moment,
        expires_at=moment + timedelta(seconds=desk.settings.session_seconds),
        address=device.address,
        user_agent=device.user_agent,
    )
    return session, token


async def refresh(desk: Desk, text: str, *, once: Once[TokensView]) -> Answer:
    """Exchange a refresh token for the next, which is always the same one.

    A client whose answer was lost may send the same token again for `refresh_repeat_seconds`, as long as it hasn't
    used the next. Any other use of an old token ends the session, everywhere at once (RFC 9700, section 4.14.2).

    Raises:
        InvalidToken: the token doesn't hold (any more).
    """
    token = desk.refresh_tokens.read(text)
    following = desk.refresh_tokens.after(token)

    async def work(attempt: Attempt) -> TokensView:
        moment = clock.now()
        session = await Session.rotate(
            token.session_id, old=token.hash, new=following.hash, at=moment, session=attempt.session
        )
        if session is None:
            session = await Session.get(token.session_id, session=attempt.session)
            if session is None or session.expires_at <= moment:
                raise InvalidToken(_REFUSED)
            patience = timedelta(seconds=desk.settings.refresh_repeat_seconds)
            if session.previous_hash != token.hash or moment - session.rotated_at > patience:
                raise _UsedAgain(session.id)
        return _tokens(desk, session, following)

    try:
        return await once.perform(desk.writer, work)
    except _UsedAgain as used:
        await _end(desk, used.session_id)
        raise


async def sign_out(desk: Desk, session_id: SessionId, *, once: Once[None]) -> Answer:
    """End a session: its tokens are refused from the answer on, by every replica. Twice is the same as once."""

    async def work(attempt: Attempt) -> None:
        await Session.end(session_id, session=attempt.session)
        attempt.touch(tags.of_sessions([session_id]))

    return await once.perform(desk.writer, work)


async def sign_out_everywhere(desk: Desk, user_id: str, *, once: Once[None]) -> Answer:
    """End every session of a user."""

    async def work(attempt: Attempt) -> None:
        attempt.touch(tags.of_sessions(await Session.end_all(user_id, session=attempt.session)))

    return await once.perform(desk.writer, work)


async def list_sessions(who: Principal, *, page: PageRequest) -> Page[SessionView]:
    """Return the user's sessions that live, the newest first."""
    moment, after = clock.now(), page.after[0] if page.after else None
    found = await Session.of_user(who.user_id, at=moment, after=after, limit=page.fetch)
    total = await Session.counted(who.user_id, at=moment, up_to=COUNTED_UP_TO) if page.with_total else None
    return page.page_of([((one.id,), _view(one, who)) for one in found], total)


def _view(session: Session, who: Principal) -> SessionView:
    return SessionView(
        id=session.id,
        current=session.id == who.session_id,
        address=session.address,
        user_agent=session.user_agent,
        created_at=session.created_at,
        refreshed_at=session.rotated_at,
        expires_at=session.expires_at,
    )


async def end_own_session(desk: Desk, who: Principal, session_id: str, *, once: Once[None]) -> Answer:
    """End one of the user's sessions.

    Raises:
        NotFound: the user has none with this id.
    """

    async def work(attempt: Attempt) -> None:
        if not await Session.end(session_id, user_id=who.user_id, session=attempt.session):
            raise NotFound("There is no such session.")
        attempt.touch(tags.of_sessions([session_id]))

    return await once.perform(desk.writer, work)


def session_of_refresh_token(desk: Desk, text: str) -> SessionId:
    """Return whose session a refresh token is for, whether it lives or not.

    Raises:
        InvalidToken: we never made it.
    """
    return desk.refresh_tokens.read(text).session_id


async def _end(desk: Desk, session_id: SessionId) -> None:
    async def transaction(session: AsyncClientSession) -> None:
        await Session.end(session_id, session=session)

    await desk.writer.database.run_in_transaction(transaction)
    await desk.writer.invalidator.touch(tags.of_sessions([session_id]))


def _tokens(desk: Desk, session: Session, token: RefreshToken) -> TokensView:
    principal = Principal(session.user_id, session.id, session.role)
    left = int((session.expires_at - clock.now()).total_seconds())
    return TokensView(
        access_token=issue_access_token(desk.settings, principal, at_most=left),
        refresh_token=desk.refresh_tokens.spelt(token),
        expires_in=max(0, min(left, desk.settings.access_token_seconds)),
    )
