"""Registration, signing in and out, and tokens over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.answers import nothing, response_of, written
from app.dependencies import CurrentUser, IdempotencyKey, Sender, Shop, Visitor
from app.errors import AuthenticationRequired
from app.idempotency import Once
from app.routers.responses import problems
from app.schemas.account import PasswordGrant, Refresh, Registration, SignIn, SignOut, TokensView, WelcomeView
from app.services import sessions, signing_in

router = APIRouter(prefix="/auth", tags=["accounts"])

_OPEN = problems(413, 415)
_SIGNED_IN = problems(401, 403, 413, 415)


@router.post("/register", status_code=201, response_model=WelcomeView, responses=_OPEN | problems(409))
async def register(body: Registration, shop: Shop, sender: Sender) -> Response:
    """Make an account, signed in at once; an e-mail asks to confirm the address."""
    once = Once[WelcomeView](None, lambda welcome: written(welcome, status=201, tagged=False))
    return response_of(await signing_in.register(shop.desk, body, device=sender, once=once))


@router.post("/login", response_model=TokensView, responses=_OPEN | problems(401))
async def sign_in(body: SignIn, shop: Shop, sender: Sender) -> Response:
    """Sign in by e-mail address or username; unknown and wrong answer the same."""
    once = Once[TokensView](None, lambda tokens: written(tokens, tagged=False))
    return response_of(await signing_in.sign_in(shop.desk, body, device=sender, once=once))


@router.post("/token", response_model=TokensView, responses=_OPEN | problems(401))
async def sign_in_by_form(form: Annotated[PasswordGrant, Form()], shop: Shop, sender: Sender) -> Response:
    """Sign in as `/auth/login` does, by the form of OAuth 2: what the Authorize button of `/docs` sends."""
    body = SignIn(login=form.username, password=form.password)
    once = Once[TokensView](None, lambda tokens: written(tokens, tagged=False))
    return response_of(await signing_in.sign_in(shop.desk, body, device=sender, once=once))


@router.post("/token/refresh", response_model=TokensView, responses=_OPEN | problems(401))
async def refresh(body: Refresh, shop: Shop) -> Response:
    """Exchange a refresh token for the next. One that was exchanged before ends the whole session.

    Where the answer got lost, send the same one again within seconds: the answer is the same.
    """
    once = Once[TokensView](None, lambda tokens: written(tokens, tagged=False))
    return response_of(await sessions.refresh(shop.desk, body.refresh_token.get_secret_value(), once=once))


@router.post("/logout", status_code=204, responses=_SIGNED_IN)
async def sign_out(shop: Shop, user: Visitor, body: SignOut | None = None) -> Response:
    """End this session, or that of the refresh token; its access tokens are refused at once."""
    if body is not None and body.refresh_token is not None:
        ended = sessions.session_of_refresh_token(shop.desk, body.refresh_token.get_secret_value())
    elif user is not None:
        ended = user.session_id
    else:
        raise AuthenticationRequired("Send an access token or a refresh token.")
    return response_of(await sessions.sign_out(shop.desk, ended, once=Once[None](None, nothing)))


@router.post("/logout-all", status_code=204, responses=_SIGNED_IN)
async def sign_out_everywhere(shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """End every session of yours, this one too."""
    return response_of(await sessions.sign_out_everywhere(shop.desk, user.user_id, once=Once[None](key, nothing)))
