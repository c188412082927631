"""Records what the shop's people change: in the transaction that changes it, in this one place."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession

from app import acting, clock
from app.ids import AUDIT, AuditEntryId, new_id
from app.models.audit_entry import AuditEntry, Change, snapshots
from app.paths import API

T = TypeVar("T")
Document_ = dict[str, Any]

_NOISE: Final = frozenset({
    "_id", "updated_at", "version", "search", "category_path", "history", "signed_in_at", "password_id", "unfinished",
    "addresses_changed_at",
})  # fmt: skip
"""Follows from the rest, or says only that something changed."""

_SECRET: Final = frozenset({"password_hash", "client_secret"})
_PERSONAL: Final = frozenset({
    "email", "email_folded", "username", "username_folded", "first_name", "last_name", "shipping_address",
})  # fmt: skip
"""The log is kept for good; whoever has an account deleted is forgotten here, too."""

_CONCEALED: Final = "(concealed)"
_BOOK_PATHS: Final = f"{API}/books/"
_UNTOUCHED_THERE: Final = ("inventory",)
"""The stock has paths of its own; to look at it whenever a price changes would cost a tenth of the change."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def audited(session: AsyncClientSession, work: Callable[[], Awaitable[T]]) -> T:
    """Run the work of a transaction; where somebody of the staff sent it, write down what it changed.

    Looked at before and after is what the request's path names, and what the work returns as made.
    """
    act = acting.current()
    if act is None:
        return await work()
    begun, named = clock.now(), tuple(act.named.values())
    without = _UNTOUCHED_THERE if act.path.startswith(_BOOK_PATHS) else ()
    before = await snapshots(named, session, without=without)
    result = await work()
    looked_at = {*named, *(one["_id"] for _, one in before)}
    after = await snapshots(sorted(looked_at), session, without=without)
    returned = getattr(result, "id", None)
    made = await _made(returned, begun, session) if returned not in looked_at else []
    changes = _changes(before, [*after, *made])
    if changes:
        await AuditEntry(
            id=AuditEntryId(new_id(AUDIT)),
            at=clock.now(),
            actor=act.actor,
            role=act.role,
            action=act.action,
            method=act.method,
            path=act.path,
            request_id=act.request_id,
            changes=changes,
        ).insert(session=session)
    return result


async def _made(of: object, begun: datetime, session: AsyncClientSession) -> list[tuple[str, Document_]]:
    # What a write returns it may have made, or only changed or given again.
    found = await snapshots((of,), session) if isinstance(of, str) else []
    return found if any(one.get("created_at", _LONG_AGO) >= begun for _, one in found) else []


def _changes(before: Sequence[tuple[str, Document_]], after: Sequence[tuple[str, Document_]]) -> list[Change]:
    was = {(kind, document["_id"]): document for kind, document in before}
    now = {(kind, document["_id"]): document for kind, document in after}
    found = []
    for kind, of in dict.fromkeys([*was, *now]):
        old, new = was.get((kind, of), {}), now.get((kind, of), {})
        fields = [name for name in {**old, **new} if name not in _NOISE and old.get(name) != new.get(name)]
        if fields:
            found.append(Change(kind=kind, of=of, before=_told(old, fields), after=_told(new, fields)))
    return found


def _told(document: Document_, fields: Sequence[str]) -> Document_:
    return {name: _CONCEALED if name in _SECRET | _PERSONAL else document[name] for name in fields if name in document}
