"""Lets people in: registers them, and checks who they are."""

from pymongo.errors import DuplicateKeyError

from app import clock
from app.errors import EmailTaken, FieldError, InvalidCredentials, InvalidInput, UsernameTaken
from app.idempotency import Answer, Attempt, Once
from app.models.user import User
from app.schemas.account import Registration, SignIn, TokensView, UserView, WelcomeView
from app.services.sessions import Desk, Device, open_session

_REFUSED = "The name or the password is wrong."


async def register(desk: Desk, given: Registration, *, device: Device, once: Once[WelcomeView]) -> Answer:
    """Make a customer, signed in at once.

    Raises:
        EmailTaken, UsernameTaken: somebody has it; of two who register at once one hears this.
        InvalidInput: the password is no good, or the second doesn't repeat it.
    """
    password = given.password.get_secret_value()
    if given.password2 is not None and given.password2.get_secret_value() != password:
        raise InvalidInput(FieldError("/password2", "password_mismatch", "must be the same as password"))
    hashed = await desk.passwords.hash(password)

    async def work(attempt: Attempt) -> WelcomeView:
        moment = clock.now()
        user = User.named(
            email=given.email,
            username=given.username,
            password_hash=hashed,
            first_name=given.first_name,
            last_name=given.last_name,
            created_at=moment,
            updated_at=moment,
            signed_in_at=moment,
        )
        try:
            await user.insert(session=attempt.session)
        except DuplicateKeyError as error:
            raise name_taken(error) from error
        tokens = await open_session(desk, user, attempt, device=device)
        return WelcomeView(user=UserView.model_validate(user), **tokens.model_dump())

    return await once.perform(desk.writer, work)


async def sign_in(desk: Desk, given: SignIn, *, device: Device, once: Once[TokensView]) -> Answer:
    """Open a session for who knows the password.

    Takes as long for a name that nobody has as for a wrong password, and answers the same. The password's hash is
    renewed where our parameters have grown.

    Raises:
        InvalidCredentials: the name or the password is wrong, or the account may not be used.
    """
    user = await desk.writer.database.fresh(lambda: User.of_login(given.login))
    kept = user.password_hash if user else None
    verdict = await desk.passwords.check(given.password.get_secret_value(), kept)
    if user is None or not verdict.right:
        raise InvalidCredentials(_REFUSED)

    async def work(attempt: Attempt) -> TokensView:
        known = await User.note_sign_in(
            user.id, password_hash=kept, new_hash=verdict.new_hash, at=clock.now(), session=attempt.session
        )
        if known is None:
            raise InvalidCredentials(_REFUSED)
        return await open_session(desk, known, attempt, device=device)

    return await once.perform(desk.writer, work)


def name_taken(error: DuplicateKeyError) -> EmailTaken | UsernameTaken:
    """Say which of the names the unique indexes refused."""
    if "email_folded" in (error.details or {}).get("keyPattern", {}):
        return EmailTaken("Somebody has an account with this e-mail address.")
    return UsernameTaken("Somebody has this username.")
