"""Recognises a commit of this program in the change stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bson import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession


@dataclass(frozen=True)
class Commit:
    """A transaction by its session, and a time of the cluster between it and the session's next one."""

    session: str
    at: Timestamp

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> Self | None:
        """Return the commit that a change event belongs to; None for a write outside a transaction."""
        session = event.get("lsid")
        return cls(bytes(session["id"]).hex(), event["clusterTime"]) if session else None


def session_of(session: AsyncClientSession) -> str:
    """Return the session's name, as long as it lasts."""
    return bytes(session.session_id["id"]).hex()
