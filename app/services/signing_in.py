"""Lets people in: registers them, and checks who they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from pymongo.errors import DuplicateKeyError

from app import clock
from app.errors import EmailTaken, FieldError, InvalidCredentials, InvalidInput, UsernameTaken
from app.events import Event
from app.idempotency import Answer, Attempt, Once
from app.models.outbox_event import OutboxEvent
from app.models.user import User, with_password
from app.names import folded
from app.password_rules import check_password
from app.rate_limits import Limit, Taken
from app.schemas.account import Registration, SignIn, TokensView, UserView, WelcomeView
from app.services.confirming import ask_for_confirmation, count_letter
from app.services.desk import Desk, Device
from app.services.sessions import open_session, open_session_beside_others

_REFUSED = "The name or the password is wrong."

_CHECKS: Final = 3
"""So often a password is checked for one request, where its hash is replaced while it is being checked."""


class _ChangedMeanwhile(Exception):
    """The account isn't any more what the password was checked for."""


async def register(desk: Desk, given: Registration, *, device: Device, once: Once[WelcomeView]) -> Answer:
    """Make a customer, signed in at once; a letter asks to confirm the address.

    A repeat is answered before anything is counted.

    Raises:
        EmailTaken, UsernameTaken: somebody has it; of two who register at once one hears this.
        InvalidInput: the password is no good, or the second doesn't repeat it.
        RateLimited: too many from this address, or too many letters to the one that was given.
    """
    earlier = await once.earlier()
    if earlier is not None:
        return earlier
    password = given.password.get_secret_value()
    if given.password2 is not None and given.password2.get_secret_value() != password:
        raise InvalidInput(FieldError("/password2", "password_mismatch", "must be the same as password"))
    own = (given.email, given.username, given.first_name, given.last_name)
    check_password(password, pointer="/password", own=own)
    limit = Limit.spelt("registration", desk.settings.limit_registration)
    taken = await desk.limits.take(*desk.limits.of_address(limit, device.address))
    hashed = await desk.passwords.hash(password)
    letter = await count_letter(desk, folded(given.email), device)

    async def work(attempt: Attempt) -> WelcomeView:
        moment = clock.now()
        user = User.named(
            email=given.email,
            username=given.username,
            first_name=given.first_name,
            last_name=given.last_name,
            created_at=moment,
            updated_at=moment,
            signed_in_at=moment,
            **with_password(hashed),
        )
        try:
            await user.insert(session=attempt.session)
        except DuplicateKeyError as error:
            raise name_taken(error) from error
        await OutboxEvent.add(Event("user.registered", user.id, {"user_id": user.id}), session=attempt.session)
        await ask_for_confirmation(desk, user, attempt)
        tokens = await open_session(desk, user, attempt, device=device)
        return WelcomeView(user=UserView.model_validate(user), **tokens.model_dump())

    try:
        return with_limits(await once.perform(desk.writer, work), taken)
    except (EmailTaken, UsernameTaken):
        await desk.limits.give_back(letter)  # it wasn't sent
        raise


async def sign_in(desk: Desk, given: SignIn, *, device: Device, once: Once[TokensView]) -> Answer:
    """Open a session for who knows the password.

    Takes as long for a name that nobody has as for a wrong password, and answers the same. The password's hash is
    renewed where our parameters have grown. Only what fails counts towards the limit: the account's, by whichever of
    its names, or that of the name where nobody has it.

    Raises:
        InvalidCredentials: the name or the password is wrong, or the account may not be used.
        RateLimited: too many failed, for this account or name, or from this address.
    """
    user = await desk.admissions.user_of(given.login)
    async with _guess(desk, user.id if user else folded(given.login), device) as taken:
        answer = await _sign_in(desk, user, given.password.get_secret_value(), device=device, once=once)
    return with_limits(answer, replace(taken, left=taken.left + 1))


async def _sign_in(desk: Desk, user: User | None, password: str, *, device: Device, once: Once[TokensView]) -> Answer:
    for _ in range(_CHECKS):
        kept = user.password_hash if user else None
        verdict = await desk.passwords.check(password, kept)
        if user is None or not verdict.right:
            break
        try:
            return await _let_in(desk, user, verdict.new_hash, device=device, once=once)
        except _ChangedMeanwhile:
            # By somebody who signed in beside us, and had the hash renewed? Or is the password another one now? A
            # transaction sees what the refused one saw, which a majority may not have yet.
            user = await desk.writer.database.run_in_transaction(partial(User.of_id, user.id))
            if user is not None and user.password_hash == kept:
                break
    raise InvalidCredentials(_REFUSED)


async def _let_in(desk: Desk, user: User, new_hash: str | None, *, device: Device, once: Once[TokensView]) -> Answer:
    if once.claim is None:
        tokens = await open_session_beside_others(desk, user, new_hash, device=device)
        if tokens is not None:
            return once.render(tokens)

    async def work(attempt: Attempt) -> TokensView:
        known = await User.note_sign_in(user, new_hash=new_hash, at=clock.now(), session=attempt.session)
        if known is None:
            raise _ChangedMeanwhile
        return await open_session(desk, known, attempt, device=device)

    return await once.perform(desk.writer, work)


async def check_own_password(desk: Desk, user: User, password: str, *, device: Device) -> None:
    """Let somebody go on who is signed in and knows the account's password; limited as signing in.

    Raises:
        InvalidCredentials: it is another.
        RateLimited: too many were.
    """
    async with _guess(desk, user.id, device):
        verdict = await desk.passwords.check(password, user.password_hash)
        if not verdict.right:
            raise InvalidCredentials("The current password is wrong.")


@asynccontextmanager
async def _guess(desk: Desk, whose: str, device: Device) -> AsyncIterator[Taken]:
    """Count a guess at somebody's password, for as long as it isn't known to be right.

    Nor does it count where it wasn't answered: by our own failure, or since the client hung up.
    """
    account = Limit.spelt("sign-in", desk.settings.limit_sign_in)
    address = Limit.spelt("sign-in-address", desk.settings.limit_sign_in_address)
    taken = await desk.limits.take((account, whose), *desk.limits.of_address(address, device.address))
    wrong = False
    try:
        yield taken
    except InvalidCredentials:
        wrong = True
        raise
    finally:
        if not wrong:
            await desk.limits.give_back(taken)


def with_limits(answer: Answer, taken: Taken) -> Answer:
    """Return the answer with what its sender should know of the limit."""
    return replace(answer, headers=answer.headers | dict(taken.headers))


def name_taken(error: DuplicateKeyError) -> EmailTaken | UsernameTaken:
    """Say which of the names the unique indexes refused."""
    if "email_folded" in (error.details or {}).get("keyPattern", {}):
        return EmailTaken("Somebody has an account with this e-mail address.")
    return UsernameTaken("Somebody has this username.")
