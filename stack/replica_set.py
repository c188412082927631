"""Makes the replica set what mongo/replica-set.json says, and watches who is primary.

mongo/replica-init.js does the same for Docker; a test compares their results.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from stack.errors import StackError
from stack.profile import REPOSITORY
from stack.secrets import Secrets
from stack.unanswered import answers_wanted

SETTINGS_FILE = REPOSITORY / "mongo" / "replica-set.json"

_ALREADY_INITIALIZED = 23
_UNAUTHORIZED = (13, 18)
_DUPLICATE_USER, _DUPLICATE_ROLE = 51003, 51002

Client = AsyncMongoClient[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ReplicaSet:
    """The set's members on loopback, and how to reach them."""

    ports: tuple[int, ...]
    secrets: Secrets

    async def set_up(self, *, seconds: float) -> None:
        """Initiate the set, create users and rights, apply the settings; running it again changes nothing.

        Raises:
            StackError: there is no primary in time, or the data was made with other passwords.
        """
        settings = json.loads(SETTINGS_FILE.read_text(encoding="utf-8"))
        deadline = time.monotonic() + seconds
        try:
            while not await self._set_up_unless_disturbed(settings, deadline=deadline):
                continue
        except OperationFailure as error:
            if error.code in _UNAUTHORIZED:
                raise StackError(
                    "the databases were made with other passwords than those in secrets.json; put the old file back, "
                    "or start afresh with: ./bookstore down --wipe"
                ) from error
            raise StackError(f"the replica set refused its set-up: {error.details}") from error
        except PyMongoError as error:
            raise StackError(f"the replica set can't be set up: {error}") from error

    async def _set_up_unless_disturbed(self, settings: dict[str, Any], *, deadline: float) -> bool:
        # On a machine that is very busy the primary may lose its office meanwhile: each step can be done again.
        try:
            primary_port = await self._initiate(settings, deadline=deadline)
            await self._create_root(primary_port)
            async with self.client_of(primary_port, as_root=True) as client:
                await _create_users(client, settings, self.secrets)
                await _apply_settings(client, settings, self.ports)
        except AutoReconnect:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
            return False
        return True

    async def last_election(self) -> datetime | None:
        """When the present primary could take writes; None where it never needed an election since its start.

        Raises:
            StackError: there is no primary, or it doesn't say.
        """
        with answers_wanted("the primary doesn't say when it was elected"):
            async with self.client_of(await self.primary_port(), as_root=True) as client:
                metrics = (await client.admin.command("replSetGetStatus")).get("electionCandidateMetrics", {})
        moment: datetime | None = metrics.get("newTermStartDate")
        return moment

    async def primary_port(self) -> int:
        """Who may take writes now.

        Raises:
            StackError: nobody.
        """
        for port in self.ports:
            if await is_primary(port):
                return port
        raise StackError("there is no primary at the moment")

    async def _initiate(self, settings: dict[str, Any], *, deadline: float) -> int:
        async with self.client_of(self.ports[0]) as client:
            try:
                await client.admin.command("replSetInitiate", _initial_configuration(settings, self.ports))
            except OperationFailure as error:
                # Unauthorised: initiated and given users by an earlier run. Already initialised: no users yet.
                if error.code not in {*_UNAUTHORIZED, _ALREADY_INITIALIZED}:
                    raise
        while time.monotonic() < deadline:
            for port in self.ports:
                if await is_primary(port):
                    return port
            await asyncio.sleep(0.05)
        raise StackError("the replica set has found no primary; see ./bookstore logs mongo-1")

    async def _create_root(self, primary_port: int) -> None:
        # Without any user yet, a connection from the same machine may create the first one.
        async with self.client_of(primary_port) as client:
            try:
                await client.admin.command("createUser", "root", pwd=self.secrets.mongo_root_password, roles=["root"])
            except OperationFailure as error:
                if error.code not in {*_UNAUTHORIZED, _DUPLICATE_USER}:
                    raise

    def client_of(self, port: int, *, as_root: bool = False) -> Client:
        """A connection to this member alone."""
        credentials = {"username": "root", "password": self.secrets.mongo_root_password} if as_root else {}
        return AsyncMongoClient(
            "127.0.0.1",
            port,
            directConnection=True,
            serverSelectionTimeoutMS=5000,
            appname="set-up",
            **credentials,  # type: ignore[arg-type]  # two strings or nothing
        )


async def is_primary(port: int) -> bool:
    """Ask one member whether it may take writes now."""
    async with Client("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=1000) as client:
        try:
            return bool((await client.admin.command("hello"))["isWritablePrimary"])
        except PyMongoError:
            return False


def configuration(settings: dict[str, Any], ports: Sequence[int]) -> dict[str, Any]:
    """The set's configuration as `replSetReconfig` wants it, without its version."""
    members = [{"_id": number, "host": f"127.0.0.1:{port}", "priority": 1} for number, port in enumerate(ports)]
    assert len(members) == settings["members"]
    return {"_id": settings["name"], "members": members, "settings": settings["settings"]}


def _initial_configuration(settings: dict[str, Any], ports: Sequence[int]) -> dict[str, Any]:
    # Only the first may be elected at first: there the first user can be made from the same machine.
    final = configuration(settings, ports)
    members = [{**member, "priority": 0 if member["_id"] else 1} for member in final["members"]]
    return {**final, "members": members, "settings": {**final["settings"], "electionTimeoutMillis": 500}}


async def _create_users(client: Client, settings: dict[str, Any], secrets: Secrets) -> None:
    databases = settings["databases"]
    for role, actions in settings["roles"].items():
        privileges = [{"resource": {"db": name, "collection": ""}, "actions": actions} for name in databases]
        await _create_or_update(client, "Role", role, privileges=privileges, roles=[])
    passwords = {
        "bookstore_app": secrets.mongo_app_password,
        "bookstore_migrate": secrets.mongo_migrate_password,
    }
    for user, roles in settings["users"].items():
        granted = [
            {"role": role, "db": "admin"} if role in settings["roles"] else {"role": role, "db": name}
            for role in roles
            for name in (databases if role not in settings["roles"] else databases[:1])
        ]
        await _create_or_update(client, "User", user, pwd=passwords[user], roles=granted)


async def _create_or_update(client: Client, what: str, name: str, **body: Any) -> None:
    try:
        await client.admin.command(f"create{what}", name, **body)
    except OperationFailure as error:
        if error.code not in {_DUPLICATE_USER, _DUPLICATE_ROLE}:
            raise
        await client.admin.command(f"update{what}", name, **body)


async def _apply_settings(client: Client, settings: dict[str, Any], ports: Sequence[int]) -> None:
    current = (await client.admin.command("replSetGetConfig"))["config"]
    wanted = configuration(settings, ports)
    changed = {
        **current,
        "members": [{**old, **new} for old, new in zip(current["members"], wanted["members"], strict=True)],
    }
    changed["settings"] = {**current["settings"], **wanted["settings"]}
    if changed != current:
        await client.admin.command("replSetReconfig", {**changed, "version": current["version"] + 1})
    await client.admin.command(
        "setDefaultRWConcern",
        defaultReadConcern={"level": settings["defaultReadConcern"]},
        defaultWriteConcern={"w": settings["defaultWriteConcern"], "wtimeout": 0},
        writeConcern={"w": "majority"},
    )


class RoleWatch:
    """Knows each member's role from the driver's own monitors, which members tell of changes at once."""

    def __init__(self, ports: tuple[int, ...], *, name: str) -> None:
        self._client = Client(
            [f"127.0.0.1:{port}" for port in ports],
            replicaSet=name,
            connectTimeoutMS=1000,
            heartbeatFrequencyMS=500,
            serverSelectionTimeoutMS=1000,
            appname="supervisor",
        )

    async def start(self) -> None:
        """Begin watching."""
        await self._client.aconnect()

    async def close(self) -> None:
        """Stop watching."""
        await self._client.close()

    def roles(self) -> dict[int, str]:
        """Roles by port; a member that doesn't answer isn't there."""
        known = {"RSPrimary": "primary", "RSSecondary": "secondary"}
        servers = self._client.topology_description.server_descriptions().values()
        return {
            server.address[1]: known[server.server_type_name]
            for server in servers
            if server.address[1] and server.server_type_name in known
        }
