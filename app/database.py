"""Opens the database and commits: `run_in_transaction` is the only place in the program that does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import pymongo
from beanie import Document
from beanie.odm.utils.init import Initializer
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from app import clock
from app.errors import BookstoreError, DeadlineExceeded, DependencyUnavailable, NoPrimary
from app.models import DOCUMENTS
from app.places import Places
from app.settings import Settings
from app.turns import Turns

T = TypeVar("T")
Document_ = dict[str, Any]

_ABORT_SECONDS: Final = 0.5
_INDEXING_SECONDS: Final = 3_600

_ELECTION_SECONDS: Final = 4.0
"""For so long a transaction waits for its place, and is a read tried again: an election takes 2 to 3 s."""

_PAUSE_SECONDS: Final = 0.1

_NOT_PRIMARY: Final = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})
"""Server codes of a node that is no primary (any more) or shuts down."""


class _OfflineInitializer(Initializer):
    """Binds the document models without asking the server, so that a replica starts while there is no primary."""

    async def _load_cached_info(self) -> None:
        self._database_major_version = 6


class Database:
    """The one client of this process, bound to the document models. Use as an async context manager."""

    def __init__(self, settings: Settings, *, url: str | None = None) -> None:
        """Make the client; it connects when first used."""
        self._settings = settings
        self.client: AsyncMongoClient[Document_] = AsyncMongoClient(
            url or settings.mongo_url.get_secret_value(),
            appname=settings.process_name,
            tz_aware=True,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            retryReads=True,
            timeoutMS=5000,
            serverSelectionTimeoutMS=5000,
            connectTimeoutMS=1500,
            heartbeatFrequencyMS=1000,
            minPoolSize=0,
            maxPoolSize=settings.mongo_pool_size,
            maxConnecting=4,
        )
        self._settled: tuple[Any, ...] | None = None
        self._turns = Turns()
        self._places = Places(settings.max_concurrent_transactions)
        self.under_way = 0
        """How many transactions of this process are under way."""
        self.database: AsyncDatabase[Document_] = self.client[settings.mongo_database]

    async def __aenter__(self) -> Self:
        """Bind the document models."""
        await self.client.aconnect()
        await _OfflineInitializer(database=self.database, document_models=DOCUMENTS, skip_indexes=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.client.close()

    async def run_in_transaction(
        self,
        callback: Callable[[AsyncClientSession], Awaitable[T]],
        *,
        deadline: float | None = None,
        in_turn: Iterable[str] = (),
        admit: Callable[[], Awaitable[None]] | None = None,
        refusable: bool = False,
    ) -> T:
        """Run the callback in a transaction, commit it on a majority, and return what the callback returned.

        The callback may run several times and touches MongoDB only. `deadline` is in seconds; after it the outcome is
        unknown to the caller, who repeats the request with the same key. `in_turn` names what many may want to write
        at once: those of this process with a name in common go one after another. Who had to wait is asked by `admit`,
        which may refuse by raising, whether it is still worth while.

        What is `refusable` waits for one of the process's places, too. Only what begins a request is: what goes on with
        one, where a card was charged already, say, must be finished.

        Raises:
            Overloaded: it wasn't this one's turn, or no place was free, in time; nothing happened.
            NoPrimary, DeadlineExceeded, DependencyUnavailable: the outcome is unknown.
            DuplicateKeyError: a unique index refused; nothing happened.
        """
        seconds = self._settings.transaction_deadline_seconds if deadline is None else deadline
        until = clock.monotonic() + seconds
        async with self._turns.of(in_turn, seconds=seconds) as waited:
            if waited and admit is not None:
                await admit()
            patience = min(_ELECTION_SECONDS, until - clock.monotonic())
            async with self._places.one(patience=patience) if refusable else nullcontext():
                return await self._run_in_transaction(callback, seconds=max(until - clock.monotonic(), 0.001))

    def is_busy(self, name: str) -> bool:
        """Tell whether somebody of this process is in a transaction `in_turn` of this name."""
        return self._turns.is_taken(name)

    async def _run_in_transaction(self, callback: Callable[[AsyncClientSession], Awaitable[T]], *, seconds: float) -> T:
        self.under_way += 1
        try:
            async with self.client.start_session() as session:
                try:
                    with pymongo.timeout(seconds):
                        return await session.with_transaction(
                            callback,
                            read_concern=ReadConcern("snapshot"),
                            write_concern=WriteConcern("majority", j=True),
                            read_preference=ReadPreference.PRIMARY,
                        )
                except PyMongoError as error:
                    if error.timeout:
                        await self._end_on_the_server(session)
                    raise
        except DuplicateKeyError:
            raise
        except PyMongoError as error:
            raise as_domain_error(error) from error
        finally:
            self.under_way -= 1

    async def _end_on_the_server(self, session: AsyncClientSession) -> None:
        # A driver that is out of time sends no abort either; what the transaction wrote would stay locked for
        # transactionLifetimeLimitSeconds, and whoever waits for it would run out of time in turn.
        if self.has_primary:
            with suppress(PyMongoError), pymongo.timeout(_ABORT_SECONDS):
                await self.client.admin.command({"killSessions": [dict(session.session_id)]})

    @property
    def has_primary(self) -> bool:
        """Whether this process knows of a primary; without one nobody can commit."""
        return self._primary() is not None

    async def fresh(self, read: Callable[[], Awaitable[T]]) -> T:
        """Run a read that sees everything acknowledged before it began, also right after an election.

        A new primary may answer majority reads from before the last acknowledged writes until it has committed
        something itself (SERVER-53813); a linearizable read waits for that, once per election and process.
        A primary that steps down refuses that read, which the driver doesn't repeat: it is asked again for a while.
        """
        patience = clock.monotonic() + _ELECTION_SECONDS
        while True:
            try:
                result, primary = await self._settled_read(read)
            except PyMongoError as error:
                if error.timeout or clock.monotonic() >= patience:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if self._primary() == primary:
                self._settled = primary
                return result

    async def _settled_read(self, read: Callable[[], Awaitable[T]]) -> tuple[T, tuple[Any, ...] | None]:
        primary = self._primary()
        if primary is None or primary != self._settled:
            barrier = self.database.get_collection("cache_grants", read_concern=ReadConcern("linearizable"))
            await barrier.find_one({})
            primary = self._primary()
        return await read(), primary

    def _primary(self) -> tuple[Any, ...] | None:
        for server in self.client.topology_description.server_descriptions().values():
            if server.is_writable:
                return server.address, server.election_id
        return None

    async def state(self) -> list[dict[str, Any]]:
        """Return the members of the replica set as this process sees them: `{"address", "role"}`, without waiting."""
        roles = {"RSPrimary": "primary", "RSSecondary": "secondary"}
        servers = self.client.topology_description.server_descriptions().values()
        return [
            {
                "address": f"{server.address[0]}:{server.address[1]}",
                "role": roles.get(server.server_type_name, "unknown"),
            }
            for server in servers
        ]


async def create_collections_and_indexes(
    database: AsyncDatabase[Document_], documents: Sequence[type[Document]]
) -> None:
    """Make every collection and index that is missing; running it again changes nothing."""
    present = set(await database.list_collection_names())
    for document in documents:
        name = str(document.get_settings().name)
        if name not in present:
            await database.create_collection(name)
        indexes = getattr(document, "INDEXES", [])
        if indexes:
            # `None` would mean the client's own timeout, which is for requests.
            with pymongo.timeout(_INDEXING_SECONDS):
                await database[name].create_indexes(indexes)


def as_domain_error(error: PyMongoError) -> BookstoreError:
    """Say in the domain's words what a driver error means for the caller."""
    if isinstance(error, WaitQueueTimeoutError):
        # Something may have been written before it: `overloaded` would promise that nothing was begun.
        return DependencyUnavailable("Every database connection is busy; send the request again.")
    # Where a transaction's retries run out of time, the driver's timeout is raised from what it retried last.
    last = error.__cause__ if isinstance(error.__cause__, PyMongoError) else error
    if isinstance(last, ServerSelectionTimeoutError) or getattr(last, "code", None) in _NOT_PRIMARY:
        return NoPrimary("The database has no primary at the moment; send the request again.")
    if error.timeout or isinstance(error, ExecutionTimeout):
        return DeadlineExceeded("The database took too long; send the request again.")
    if isinstance(error, ConnectionFailure) or error.has_error_label("TransientTransactionError"):
        return DependencyUnavailable("The database connection broke; send the request again.")
    return DependencyUnavailable("The database could not do this now; send the request again.")


async def ping(database: Database, *, seconds: float) -> bool:
    """Tell whether a primary answers within the time given."""
    try:
        async with asyncio.timeout(seconds):
            await database.database.command("ping")
    except (PyMongoError, TimeoutError):
        return False
    return True
