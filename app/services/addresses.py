"""Keeps a user's book of addresses. Whose it is stands in every query: another user's isn't there."""

from app import clock
from app.errors import Conflict, NotFound
from app.idempotency import Answer, Attempt, Once, Writer
from app.ids import UserId
from app.models.address import SavedAddress
from app.models.user import User
from app.pagination import Page, PageRequest
from app.schemas.address import Address
from app.schemas.profile import AddressView

MOST: int = 100
"""So many addresses one user may keep."""

_UNKNOWN = "There is no such address."


async def list_addresses(user_id: UserId, *, page: PageRequest) -> Page[AddressView]:
    """Return the user's addresses, the newest first."""
    found = await SavedAddress.of_user(user_id, after=page.after[0] if page.after else None, limit=page.fetch)
    total = await SavedAddress.count_of(user_id) if page.with_total else None
    return page.page_of([((one.id,), _view(one)) for one in found], total)


async def get_address(user_id: UserId, address_id: str) -> AddressView:
    """Return one of the user's addresses.

    Raises:
        NotFound: the user has none with this id.
    """
    found = await SavedAddress.owned(address_id, user_id=user_id)
    if found is None:
        raise NotFound(_UNKNOWN)
    return _view(found)


async def add_address(writer: Writer, user_id: UserId, given: Address, *, once: Once[AddressView]) -> Answer:
    """Put an address into the user's book.

    Raises:
        NotFound: the account was deleted.
        Conflict: the book is full.
    """

    async def work(attempt: Attempt) -> AddressView:
        moment = clock.now()
        if await User.change(user_id, {"addresses_changed_at": moment}, session=attempt.session) is None:
            raise NotFound("There is no such user.")
        if await SavedAddress.count_of(user_id, attempt.session) >= MOST:
            raise Conflict(f"You keep {MOST} addresses already; remove one first.")
        saved = SavedAddress(user_id=user_id, address=given, created_at=moment, updated_at=moment)
        await saved.insert(session=attempt.session)
        return _view(saved)

    return await once.perform(writer, work)


async def replace_address(
    writer: Writer, user_id: UserId, address_id: str, given: Address, *, once: Once[AddressView]
) -> Answer:
    """Put another address in the place of one.

    Raises:
        NotFound: the user has none with this id.
    """

    async def work(attempt: Attempt) -> AddressView:
        after = await SavedAddress.replace_with(
            address_id, given, user_id=user_id, at=clock.now(), session=attempt.session
        )
        if after is None:
            raise NotFound(_UNKNOWN)
        return _view(after)

    return await once.perform(writer, work)


async def remove_address(writer: Writer, user_id: UserId, address_id: str, *, once: Once[None]) -> Answer:
    """Remove an address; orders that were sent there keep their copy.

    Raises:
        NotFound: the user has none with this id.
    """

    async def work(attempt: Attempt) -> None:
        if not await SavedAddress.remove(address_id, user_id=user_id, session=attempt.session):
            raise NotFound(_UNKNOWN)

    return await once.perform(writer, work)


def _view(saved: SavedAddress) -> AddressView:
    return AddressView(
        id=saved.id, created_at=saved.created_at, updated_at=saved.updated_at, **saved.address.model_dump()
    )
