"""Answers public reads from Redis, and fills it: what stands between a router and its use case."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from prometheus_client import Counter

from app.cache.flights import Flights
from app.cache.shared import SharedStore
from app.database import Database

ANSWERS: Final = Counter("bookstore_cache_answers_total", "Public reads by who answered", ["level"])
FILLS: Final = Counter("bookstore_cache_fills_total", "Answers made for the cache", ["outcome"])
_OUTCOMES: Final[Mapping[bool | None, str]] = {True: "stored", False: "refused", None: "unreachable"}


@dataclass(frozen=True)
class Rendered:
    """A finished answer: its bytes, their ETag, and the other headers that belong to them."""

    body: bytes
    etag: str
    headers: dict[str, str]

    def packed(self) -> bytes:
        """Return it as one string of bytes."""
        return orjson.dumps([self.etag, self.headers]) + b"\n" + self.body

    @classmethod
    def unpacked(cls, raw: bytes) -> "Rendered":
        """Return what `packed` made a string of."""
        head, _, body = raw.partition(b"\n")
        etag, headers = orjson.loads(head)
        return cls(body, etag, headers)


@dataclass(frozen=True)
class Answered:
    """A rendered answer, and who gave it in the words of RFC 9211."""

    rendered: Rendered
    cache_status: str


@dataclass(frozen=True)
class Miss:
    """What Redis hadn't got, and the token to fill it with, if it is to be filled; believed as in a `Look`."""

    name: str
    variant: str
    token: bytes | None
    believed: bool


class CachedReads:
    """Reads through Redis, with single flight behind it."""

    def __init__(self, shared: SharedStore, *, database: Database) -> None:
        """Take the shared level, and what stands behind it."""
        self._shared = shared
        self._database = database
        self._flights: Flights[tuple[Rendered, bool]] = Flights()

    async def kept(self, name: str, variant: str) -> Answered | Miss:
        """Return the answer that Redis holds under the name for this variant of the request, or a miss to go on with.

        While there is no primary nobody can commit, so nothing that Redis holds can get old: it answers then
        even where the watcher can't vouch for it, unless it failed this replica before.
        """
        look = await self._shared.look(name, variant)
        if look.answer is not None and (look.believed or self._nothing_can_have_changed):
            ANSWERS.labels("shared").inc()
            return Answered(Rendered.unpacked(look.answer), "bookstore; hit")
        return Miss(name, variant, look.token, look.believed)

    @property
    def _nothing_can_have_changed(self) -> bool:
        return not self._database.has_primary and not self._shared.is_doubted

    async def fill(self, miss: Miss, build: Callable[[], Awaitable[Rendered]]) -> Answered:
        """Return the answer that Redis hadn't got, built, and stored there unless something changed meanwhile.

        Raises:
            Exception: what `build` raised; nothing is stored then.
        """

        async def fill() -> tuple[Rendered, bool]:
            rendered = await self._database.fresh(build)
            if miss.token is None:
                return rendered, False
            packed = rendered.packed()
            stored = await self._shared.fill(miss.name, miss.variant, token=miss.token, answer=packed)
            FILLS.labels(_OUTCOMES[stored]).inc()
            return rendered, bool(stored)

        # The same token, believed, means that nothing changed since the running fill took it that we must show.
        key = miss.name, miss.variant, miss.token
        rendered, stored = await self._flights.join(key, fill, running_will_do=miss.believed)
        ANSWERS.labels("database").inc()
        return Answered(rendered, "bookstore; fwd=uri-miss" + ("; stored" if stored else ""))
