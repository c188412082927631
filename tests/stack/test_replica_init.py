import asyncio
import dataclasses
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from stack.child import Child
from stack.processes import process_specs
from stack.profile import REPOSITORY, Profile, throwaway_profile
from stack.replica_set import ReplicaSet
from stack.secrets import Secrets, generate_secrets

SCRIPT = REPOSITORY / "mongo" / "replica-init.js"


@asynccontextmanager
async def three_members(folder: Path, secrets: Secrets) -> AsyncIterator[Profile]:
    profile = dataclasses.replace(throwaway_profile("set", folder=folder, first_port=22000), parts=("mongod",))
    profile.make_folders()
    keyfile = profile.run / "keyfile"
    keyfile.write_text(secrets.mongo_keyfile, encoding="ascii")
    keyfile.chmod(0o400)
    members = [Child(spec, on_change=lambda _: None) for spec in process_specs(profile, secrets)]
    try:
        for member in members:
            await member.start()
        await asyncio.gather(*(member.wait_ready(seconds=60) for member in members))
        yield profile
    finally:
        await asyncio.gather(*(member.stop() for member in members))


async def run_script(mongosh: str, profile: Profile, secrets: Secrets, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(home),
        "REPLICA_MEMBERS": ",".join(f"127.0.0.1:{port}" for port in profile.ports.mongo),
        "REPLICA_FIRST": f"127.0.0.1:{profile.ports.mongo[0]}",
        "MONGO_ROOT_PASSWORD": secrets.mongo_root_password,
        "MONGO_APP_PASSWORD": secrets.mongo_app_password,
        "MONGO_MIGRATE_PASSWORD": secrets.mongo_migrate_password,
    }
    command = [mongosh, "--nodb", "--quiet", "--norc", "--file", str(SCRIPT)]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=180, check=False
    )


async def as_seen_by_root(profile: Profile, secrets: Secrets) -> dict[str, Any]:
    """Everything that the set-up decides, without what differs between two sets by nature (ports, ids, versions)."""
    async with client(profile, "root", secrets.mongo_root_password) as root:
        config = (await root.admin.command("replSetGetConfig"))["config"]
        concern = await root.admin.command("getDefaultRWConcern")
        users = (await root.admin.command("usersInfo", 1))["users"]
        roles = (await root.admin.command("rolesInfo", 1, showPrivileges=True))["roles"]
    del config["settings"]["replicaSetId"]
    return {
        "name": config["_id"],
        "settings": config["settings"],
        "members": [{**member, "host": None} for member in config["members"]],
        "read": concern["defaultReadConcern"],
        "write": concern["defaultWriteConcern"],
        "users": sorted((user["user"], sorted((role["role"], role["db"]) for role in user["roles"])) for user in users),
        "roles": [(role["role"], role["privileges"], role["roles"]) for role in roles],
    }


def client(profile: Profile, user: str, password: str) -> AsyncMongoClient[dict[str, Any]]:
    hosts = [f"127.0.0.1:{port}" for port in profile.ports.mongo]
    return AsyncMongoClient(hosts, username=user, password=password, replicaSet="bookstore", w="majority")


async def config_version(profile: Profile, secrets: Secrets) -> int:
    async with client(profile, "root", secrets.mongo_root_password) as root:
        return int((await root.admin.command("replSetGetConfig"))["config"]["version"])


async def test_script_and_local_stack_make_the_same_replica_set(mongosh: str, tmp_path: Path) -> None:
    # given
    secrets = generate_secrets()

    # when
    async with three_members(tmp_path / "script", secrets) as profile:
        first = await run_script(mongosh, profile, secrets, tmp_path)
        assert first.returncode == 0, first.stdout + first.stderr
        version = await config_version(profile, secrets)
        second = await run_script(mongosh, profile, secrets, tmp_path)
        by_script = await as_seen_by_root(profile, secrets)
        version_after_second_run = await config_version(profile, secrets)
    async with three_members(tmp_path / "local", secrets) as profile:
        replica_set = ReplicaSet(ports=profile.ports.mongo, secrets=secrets)
        await replica_set.set_up(seconds=60)
        await replica_set.set_up(seconds=60)
        by_stack = await as_seen_by_root(profile, secrets)

    # then
    assert second.returncode == 0, second.stdout + second.stderr
    assert "bookstore_app: created" in first.stdout
    assert "bookstore_app: as wanted" in second.stdout
    assert version_after_second_run == version
    assert by_script == by_stack
    settings = by_stack["settings"]
    assert (settings["electionTimeoutMillis"], settings["heartbeatIntervalMillis"]) == (1700, 200)
    assert (settings["heartbeatTimeoutSecs"], settings["chainingAllowed"]) == (2, False)
    assert [member["priority"] for member in by_stack["members"]] == [1, 1, 1]
    assert (by_stack["read"], by_stack["write"]) == ({"level": "majority"}, {"w": "majority", "wtimeout": 0})


async def test_application_may_do_its_work_and_nothing_else(tmp_path: Path) -> None:
    # given
    secrets = generate_secrets()
    async with three_members(tmp_path, secrets) as profile:
        await ReplicaSet(ports=profile.ports.mongo, secrets=secrets).set_up(seconds=60)
        async with (
            client(profile, "bookstore_migrate", secrets.mongo_migrate_password) as migrate,
            client(profile, "bookstore_app", secrets.mongo_app_password) as app,
        ):
            await migrate.bookstore.books.create_index("isbn13", unique=True)

            # when it works
            await app.bookstore.books.insert_one({"_id": "bk_1", "isbn13": "9780306406157"})
            await app.bookstore.books.update_one({"_id": "bk_1"}, {"$set": {"title": "A"}})
            found = await app.bookstore.books.find_one({"_id": "bk_1"})
            async with await app.bookstore.watch() as changes:
                await app.bookstore.books.delete_one({"_id": "bk_1"})
                change = await changes.next()

            # then it may
            assert found == {"_id": "bk_1", "isbn13": "9780306406157", "title": "A"}
            assert change["operationType"] == "delete"

            # when it oversteps, then it may not
            for overstep in (
                app.bookstore.books.drop(),
                app.bookstore.books.create_index("title"),
                app.other.books.insert_one({}),
                app.admin.command("replSetGetConfig"),
                app.admin.command("usersInfo", 1),
            ):
                with pytest.raises(OperationFailure) as refused:
                    await overstep
                assert refused.value.code == 13
            with pytest.raises(OperationFailure) as no_javascript:
                await app.bookstore.books.find_one({"$where": "true"})
            assert "no globalScriptEngine" in str(no_javascript.value)
