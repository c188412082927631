"""Users, their addresses and their sessions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.answers import nothing, private, response_of, written
from app.dependencies import Admin, CurrentUser, IdempotencyKey, Pages, Sender, Shop
from app.idempotency import Once
from app.openapi import PATCH_OF
from app.pagination import Page
from app.paths import API
from app.routers.books import MergePatch
from app.routers.responses import STAFF_READ, STAFF_WRITE, Responses, problems
from app.schemas.account import UserView
from app.schemas.address import Address
from app.schemas.admin import AdminUserQuery, AdminUserView
from app.schemas.book_query import ListQuery
from app.schemas.profile import AddressView, PasswordChange, Profile, SessionView
from app.services import addresses, profiles, recovering, sessions, staffing

router = APIRouter(prefix="/users", tags=["accounts"])

_READ = problems(401, 403)
_WRITE = problems(401, 403, 413, 415)
_AFTER_CREATION: Responses = {
    201: {
        "links": {
            operation: {"operationId": operation, "parameters": {"path.address_id": "$response.body#/id"}}
            for operation in ("get_address", "replace_address", "remove_address")
        }
    }
}


def _shown(key: IdempotencyKey) -> Once[UserView]:
    return Once(key, lambda user: written(user, tagged=False))


@router.get("", response_model=Page[AdminUserView], responses=STAFF_READ | problems(400))
async def list_users(
    request: Request, shop: Shop, query: Annotated[AdminUserQuery, Query()], pages: Pages, admin: Admin
) -> Response:
    """List the users, the newest first; for administrators, as `/admin/users`."""
    return private(request, await shop.database.fresh(lambda: staffing.list_users(query, page=pages(query))))


@router.get("/me", response_model=UserView, responses=_READ)
async def get_me(request: Request, shop: Shop, user: CurrentUser) -> Response:
    """Get your own profile."""
    return private(request, await shop.database.fresh(lambda: profiles.get_user(user.user_id, asked_by=user)))


@router.put("/me", response_model=UserView, responses=_WRITE | problems(409))
async def replace_me(body: Profile, shop: Shop, user: CurrentUser, sender: Sender, key: IdempotencyKey) -> Response:
    """Replace your profile; another e-mail address wants your current password, and to be confirmed."""
    return response_of(
        await profiles.replace_user(shop.desk, user.user_id, body, asked_by=user, device=sender, once=_shown(key))
    )


@router.patch("/me", response_model=UserView, responses=_WRITE | problems(409))
async def patch_me(body: MergePatch, shop: Shop, user: CurrentUser, sender: Sender, key: IdempotencyKey) -> Response:
    """Change some of your profile by a JSON merge patch."""
    return response_of(
        await profiles.patch_user(shop.desk, user.user_id, body, asked_by=user, device=sender, once=_shown(key))
    )


@router.delete("/me", status_code=204, responses=_WRITE | problems(409))
async def delete_me(shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Delete your account: names and addresses are forgotten; your orders stay, under an id that names nobody."""
    once = Once[None](key, nothing)
    return response_of(await profiles.delete_user(shop.desk, user.user_id, asked_by=user, once=once))


@router.post("/me/password", status_code=204, responses=_WRITE)
async def change_password(
    body: PasswordChange, shop: Shop, user: CurrentUser, sender: Sender, key: IdempotencyKey
) -> Response:
    """Change your password; your other sessions end."""
    answer = await recovering.change_password(
        shop.desk,
        user,
        current=body.current_password.get_secret_value(),
        password=body.password.get_secret_value(),
        device=sender,
        once=Once[None](key, nothing),
    )
    return response_of(answer)


@router.get("/me/sessions", response_model=Page[SessionView], responses=_READ | problems(400))
async def list_sessions(
    request: Request, query: Annotated[ListQuery, Query()], shop: Shop, user: CurrentUser, pages: Pages
) -> Response:
    """List your sessions that live, the newest first."""
    return private(request, await shop.database.fresh(lambda: sessions.list_sessions(user, page=pages(query))))


@router.delete("/me/sessions/{session_id}", status_code=204, responses=_WRITE | problems(404))
async def end_session(session_id: str, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """End one of your sessions; its tokens are refused at once."""
    return response_of(await sessions.end_own_session(shop.desk, user, session_id, once=Once[None](key, nothing)))


@router.get("/me/addresses", response_model=Page[AddressView], responses=_READ | problems(400))
async def list_addresses(
    request: Request, query: Annotated[ListQuery, Query()], shop: Shop, user: CurrentUser, pages: Pages
) -> Response:
    """List your addresses, the newest first."""
    return private(
        request, await shop.database.fresh(lambda: addresses.list_addresses(user.user_id, page=pages(query)))
    )


@router.post(
    "/me/addresses", status_code=201, response_model=AddressView, responses=_WRITE | problems(409) | _AFTER_CREATION
)
async def add_address(body: Address, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Add an address; up to 100 are kept."""
    once = Once[AddressView](
        key, lambda one: written(one, status=201, location=f"{API}/users/me/addresses/{one.id}", tagged=False)
    )
    return response_of(await addresses.add_address(shop.writer, user.user_id, body, once=once))


@router.get("/me/addresses/{address_id}", response_model=AddressView, responses=_READ | problems(404))
async def get_address(address_id: str, request: Request, shop: Shop, user: CurrentUser) -> Response:
    """Get one of your addresses."""
    return private(request, await shop.database.fresh(lambda: addresses.get_address(user.user_id, address_id)))


@router.put("/me/addresses/{address_id}", response_model=AddressView, responses=_WRITE | problems(404))
async def replace_address(
    address_id: str, body: Address, shop: Shop, user: CurrentUser, key: IdempotencyKey
) -> Response:
    """Put another address in the place of one."""
    once = Once[AddressView](key, lambda one: written(one, tagged=False))
    return response_of(await addresses.replace_address(shop.writer, user.user_id, address_id, body, once=once))


@router.delete("/me/addresses/{address_id}", status_code=204, responses=_WRITE | problems(404))
async def remove_address(address_id: str, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Remove an address; orders that were sent there keep their copy."""
    once = Once[None](key, nothing)
    return response_of(await addresses.remove_address(shop.writer, user.user_id, address_id, once=once))


@router.get("/{user_id}", response_model=UserView, responses=STAFF_READ | problems(404))
async def get_user(user_id: str, request: Request, shop: Shop, user: CurrentUser) -> Response:
    """Get a user: yourself, or, as administrator, anybody."""
    return private(request, await shop.database.fresh(lambda: profiles.get_user(user_id, asked_by=user)))


@router.patch(
    "/{user_id}",
    response_model=UserView,
    responses=STAFF_WRITE | problems(404, 409),
    openapi_extra={PATCH_OF: Profile.__name__},
)
async def patch_user(
    user_id: str, body: MergePatch, shop: Shop, user: CurrentUser, sender: Sender, key: IdempotencyKey
) -> Response:
    """Change some of a user's profile: your own, or, as administrator, anybody's."""
    return response_of(
        await profiles.patch_user(shop.desk, user_id, body, asked_by=user, device=sender, once=_shown(key))
    )


@router.delete("/{user_id}", status_code=204, responses=STAFF_WRITE | problems(404, 409))
async def delete_user(user_id: str, shop: Shop, user: CurrentUser, key: IdempotencyKey) -> Response:
    """Delete an account: your own, or, as administrator, anybody's."""
    once = Once[None](key, nothing)
    return response_of(await profiles.delete_user(shop.desk, user_id, asked_by=user, once=once))
