"""Starts the processes in order, keeps them alive, answers the CLI, and stops everything in order."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from stack.child import Child, State, last_words
from stack.control import ControlServer, Message
from stack.drafts import write_whole
from stack.environment import MARK, REPLICA_SET, app_environment, inherited_environment
from stack.errors import StackError
from stack.faults import Fault, FaultDesk
from stack.hand_over import hand_over
from stack.leftovers import note_processes
from stack.logs import rotate
from stack.processes import ProcessSpec
from stack.profile import REPOSITORY, Profile
from stack.replica_set import ReplicaSet, RoleWatch
from stack.rolling import restart_replica
from stack.secrets import Secrets

_logger = logging.getLogger(__name__)

Report = Callable[[Message], None]

# Generous: a loaded laptop isn't a broken one.
READY_SECONDS = 90.0

_STOP_ORDER = (("haproxy",), ("celery",), ("api",), ("smtp", "localstripe"), ("redis",), ("mongod",))
_ROTATE_PAUSE = 5.0
_STATUS_PAUSE = 0.25
_PAUSE_AFTER_REFUSAL = 5.0


class Supervisor:
    """One running system. `run` returns after everything has stopped."""

    def __init__(self, profile: Profile, *, specs: list[ProcessSpec], secrets: Secrets, report: Report) -> None:
        self._profile = profile
        self._secrets = secrets
        self._report = report
        self._children = {spec.name: Child(spec, on_change=self._child_changed) for spec in specs}
        self._faults = FaultDesk(self._children)
        self._roll = asyncio.Lock()
        self._roles: RoleWatch | None = None
        self._state = "starting"
        self._stop_asked = asyncio.Event()
        self._written: Message = {}

    def ask_to_stop(self) -> None:
        """Make `run` stop everything and return."""
        self._stop_asked.set()

    async def run(self) -> None:
        """Start, serve until asked to stop, stop.

        Raises:
            StackError: the start failed; whatever had started is stopped again.
        """
        control = ControlServer(self._profile.control_socket, self._answer)
        await control.start()
        chores = [asyncio.create_task(self._keep_status_file()), asyncio.create_task(self._keep_logs_short())]
        try:
            await self._start_unless_stopped()
            await self._stop_asked.wait()
        finally:
            self._state = "stopping"
            await self._stop()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            self._write_status()
            await control.close()

    def status(self) -> Message:
        """What `status --json` prints, and the whole system's state beside it."""
        roles = self._roles_by_name()
        processes = [
            {
                "name": child.spec.name,
                "kind": child.spec.kind,
                "pid": child.pid,
                "port": child.spec.port,
                "state": child.state.value,
                "role": roles.get(child.spec.name) if child.state is not State.HUNG else None,
            }
            for child in self._children.values()
        ]
        return {"url": self._profile.url, "state": self._state, "processes": processes}

    async def _start_unless_stopped(self) -> None:
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if start.done():
            await start
            self._state = "ready"
            self._write_status()
            self._report({"event": "ready"})
        else:
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)

    async def _start(self) -> None:
        self._say("Starting the databases")
        await self._bring_up("mongod", "redis")
        if "mongod" in self._profile.parts:
            await self._prepare_database()
        self._say("Starting the API, the workers and the mail and payment stand-ins")
        await self._bring_up("api", "celery", "localstripe", "smtp")
        if "haproxy" in self._profile.parts:
            self._say("Starting the load balancer")
            await self._bring_up("haproxy")
        if self._profile.starter_books and "mongod" in self._profile.parts:
            self._say("Giving an empty catalogue the starter books")
            await self._run_job("starter-books", ("-m", "app.importing", "--starter", "--if-empty"))

    async def _prepare_database(self) -> None:
        self._say("Setting up the replica set")
        replica_set = ReplicaSet(ports=self._profile.ports.mongo, secrets=self._secrets)
        await replica_set.set_up(seconds=READY_SECONDS)
        self._roles = RoleWatch(self._profile.ports.mongo, name=REPLICA_SET)
        await self._roles.start()
        self._say("Making collections and indexes")
        await self._run_job("migrate", ("-m", "app.migrate"))

    async def _bring_up(self, *kinds: str) -> None:
        children = [child for child in self._children.values() if child.spec.kind in kinds]
        for child in children:
            await child.start()
        await _all_of(child.wait_ready(seconds=READY_SECONDS) for child in children)

    async def _run_job(self, name: str, arguments: tuple[str, ...]) -> None:
        log = self._profile.logs / f"{name}.log"
        environment = {
            **inherited_environment(),
            **app_environment(self._profile, self._secrets),
            MARK: str(self._profile.folder),
            "BOOKSTORE_PROCESS_NAME": name,
        }
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                cwd=REPOSITORY,
            )
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
        if code:
            raise StackError(f"the job {name} failed: {last_words(log)}")

    async def _stop(self) -> None:
        for kinds in _STOP_ORDER:
            children = [child for child in self._children.values() if child.spec.kind in kinds]
            await asyncio.gather(*(child.stop() for child in children))
        if self._roles:
            await self._roles.close()
            self._roles = None

    async def _answer(self, question: Message) -> Message:
        match question:
            case {"do": "status"}:
                return self.status()
            case {"do": "stop"}:
                self.ask_to_stop()
                return {"pid": os.getpid()}
            case {"do": "fault", "fault": str(fault), "target": str(target)}:
                blow = Fault(fault)
                name = await self._handed_over(target) if blow is Fault.RESTART else target
                hit = await self._faults.apply(blow, name, roles=self._roles_by_name(), ready_seconds=READY_SECONDS)
                return {"name": hit}
            case {"do": "roll", "name": str(name)}:
                child = self._children[name]
                async with self._roll, child.turn:
                    await restart_replica(child, profile=self._profile, seconds=READY_SECONDS)
                return {"name": name}
        raise StackError(f"the supervisor doesn't understand {question!r}; is it of another version? Run down, then up")

    async def _handed_over(self, target: str) -> str:
        # A primary that is restarted on purpose makes another one primary first: writers hardly notice. From then on
        # `primary` would mean that other one, so this says which process was meant.
        roles = self._roles_by_name()
        name = self._faults.resolve(Fault.RESTART, target, roles=roles)
        steady = sorted(roles.values()) == ["primary", "secondary", "secondary"]
        if steady and roles.get(name) == "primary" and self._children[name].state is State.RUNNING:
            await hand_over(ReplicaSet(ports=self._profile.ports.mongo, secrets=self._secrets))
        return name

    def _roles_by_name(self) -> dict[str, str]:
        by_port = self._roles.roles() if self._roles else {}
        return {
            child.spec.name: by_port[child.spec.port]
            for child in self._children.values()
            if child.spec.kind == "mongod" and child.spec.port in by_port
        }

    def _say(self, text: str) -> None:
        self._report({"event": "progress", "text": text})

    def _child_changed(self, child: Child) -> None:
        self._write_status()
        if self._state == "ready" or child.state is State.RESTARTING:
            self._report({"event": "changed", "name": child.spec.name, "state": child.state.value})

    async def _keep_status_file(self) -> None:
        while True:
            pause = _STATUS_PAUSE if self._write_status() else _PAUSE_AFTER_REFUSAL
            await asyncio.sleep(pause)

    def _write_status(self) -> bool:
        """Write down what runs, where that changed; False where the disk refuses, which must stop nothing that runs."""
        status = self.status()
        if status == self._written:
            return True
        try:
            note_processes(self._profile.folder, [child.pid for child in self._children.values() if child.pid])
            write_whole(self._profile.status_file, json.dumps(status, indent=2) + "\n")
        except OSError as error:
            _logger.warning("what runs can't be written down now: %s", error)
            return False
        self._written = status
        return True

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_PAUSE)
            for child in self._children.values():
                try:
                    rotate(child.spec.log)
                except OSError as error:
                    _logger.warning("a log stays long for now: %s", error)


async def _all_of(steps: Iterable[Any]) -> None:
    # The first failure ends the others: its sentence is what the person needs.
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
