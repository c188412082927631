"""Registration, signing in and out, tokens and letters over HTTP."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel

from app.answers import nothing, response_of, written
from app.dependencies import AnyonesKey, Credentials, CurrentUser, IdempotencyKey, Sender, Shop, visitor_of
from app.errors import AuthenticationRequired
from app.idempotency import Once
from app.names import folded
from app.routers.responses import problems
from app.schemas.account import PasswordGrant, Refresh, Registration, SignIn, SignOut, TokensView, WelcomeView
from app.schemas.profile import Confirmation, ForgottenPassword, PasswordReset
from app.services import confirming, recovering, sessions, signing_in

router = APIRouter(prefix="/auth", tags=["accounts"])

M = TypeVar("M", bound=BaseModel)

_OPEN = problems(413, 415)
_SIGNED_IN = problems(401, 403, 413, 415)


def _secretly(key: AnyonesKey, who: str, *, status: int = 200) -> Once[M]:
    """Answer with tokens; an idempotency key is that of who the request says it is."""
    claim = key.of(who) if key else None
    return Once(claim, lambda model: written(model, status=status, tagged=False))


def _silently(key: AnyonesKey, who: str, *, status: int = 204) -> Once[None]:
    """Answer with nothing but a status."""
    return Once(key.of(who) if key else None, lambda _: nothing(status=status))


@router.post("/register", status_code=201, response_model=WelcomeView, responses=_OPEN | problems(409))
async def register(body: Registration, shop: Shop, sender: Sender, key: AnyonesKey) -> Response:
    """Make an account, signed in at once; an e-mail asks to confirm the address."""
    once: Once[WelcomeView] = _secretly(key, f"registration {folded(body.email)}", status=201)
    return response_of(await signing_in.register(shop.desk, body, device=sender, once=once))


@router.post("/login", response_model=TokensView, responses=_OPEN | problems(401))
async def sign_in(body: SignIn, shop: Shop, sender: Sender, key: AnyonesKey) -> Response:
    """Sign in by e-mail address or username; unknown and wrong answer the same."""
    once: Once[TokensView] = _secretly(key, f"sign-in {folded(body.login)}")
    return response_of(await signing_in.sign_in(shop.desk, body, device=sender, once=once))


@router.post("/token", response_model=TokensView, responses=_OPEN | problems(401))
async def sign_in_by_form(
    form: Annotated[PasswordGrant, Form()], shop: Shop, sender: Sender, key: AnyonesKey
) -> Response:
    """Sign in as `/auth/login` does, by the form of OAuth 2: what the Authorize button of `/docs` sends."""
    body = SignIn(login=form.username, password=form.password)
    once: Once[TokensView] = _secretly(key, f"sign-in {folded(body.login)}")
    return response_of(await signing_in.sign_in(shop.desk, body, device=sender, once=once))


@router.post("/token/refresh", response_model=TokensView, responses=_OPEN | problems(401))
async def refresh(body: Refresh, shop: Shop, key: AnyonesKey) -> Response:
    """Exchange a refresh token for the next. One that was exchanged before ends the whole session.

    Where the answer got lost, send the same one again within seconds: the answer is the same.
    """
    token = body.refresh_token.get_secret_value()
    once: Once[TokensView] = _secretly(key, sessions.session_of_refresh_token(shop.desk, token))
    return response_of(await sessions.refresh(shop.desk, token, once=once))


@router.post("/logout", status_code=204, responses=_SIGNED_IN)
async def sign_out(
    request: Request, shop: Shop, credentials: Credentials, key: AnyonesKey, body: SignOut | None = None
) -> Response:
    """End this session, or that of the refresh token, whatever became of its access token; both are refused at once."""
    if body is not None and body.refresh_token is not None:
        ended = sessions.session_of_refresh_token(shop.desk, body.refresh_token.get_secret_value())
    elif user := await visitor_of(request, shop, credentials):
        ended = user.session_id
    else:
        raise AuthenticationRequired("Send an access token or a refresh token.")
    return response_of(await sessions.sign_out(shop.desk, ended, once=_silently(key, ended)))


@router.post("/logout-all", status_code=204, responses=_SIGNED_IN)
async def sign_out_everywhere(shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """End every session of yours, this one too."""
    return response_of(await sessions.sign_out_everywhere(shop.desk, user.user_id, once=Once[None](key, nothing)))


@router.post("/email/verify", status_code=204, responses=_OPEN | problems(410))
async def verify_email(body: Confirmation, shop: Shop, key: AnyonesKey) -> Response:
    """Confirm an e-mail address with the token that was sent there."""
    token = body.token.get_secret_value()
    return response_of(await confirming.verify_email(shop.desk, token, once=_silently(key, f"letter {token}")))


@router.post("/email/resend", status_code=202, response_class=Response, responses=_SIGNED_IN)
async def resend_confirmation(shop: Shop, user: CurrentUser, sender: Sender, key: IdempotencyKey) -> Response:
    """Have the letter sent again that asks to confirm your address."""
    once = Once[None](key, lambda _: nothing(status=202))
    return response_of(await confirming.send_again(shop.desk, user.user_id, device=sender, once=once))


@router.post("/password/forgot", status_code=202, response_class=Response, responses=_OPEN)
async def forget_password(body: ForgottenPassword, shop: Shop, sender: Sender, key: AnyonesKey) -> Response:
    """Have a letter sent that lets its reader set a new password. The answer is the same whoever has the address."""
    once = _silently(key, f"forgotten {folded(body.email)}", status=202)
    return response_of(await recovering.forget_password(shop.desk, body.email, device=sender, once=once))


@router.post("/password/reset", status_code=204, responses=_OPEN | problems(410))
async def reset_password(body: PasswordReset, shop: Shop, key: AnyonesKey) -> Response:
    """Set a new password with the token of a letter; every session ends."""
    token = body.token.get_secret_value()
    once = _silently(key, f"letter {token}")
    password = body.password.get_secret_value()
    return response_of(await recovering.reset_password(shop.desk, token, password, once=once))
