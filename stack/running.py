"""Starts a system and talks to it: what the CLI, the tests and the benchmarks use."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from stack.control import Message, ask
from stack.environment import app_environment, inherited_environment
from stack.errors import StackError
from stack.faults import Fault
from stack.profile import SUPERVISOR_LOG, Profile
from stack.secrets import load_secrets

ROLL_SECONDS = 300.0
_STOP_SECONDS = 120.0

Listener = Callable[[Message], None]


class Stack:
    """A running system: its address, its environment, its processes."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @classmethod
    def running_in(cls, folder: Path) -> Self:
        """The system that runs in this folder.

        Raises:
            NotRunningError: none does.
            StackError: it doesn't say, in words that we understand, what it is.
        """
        stop_gap = cls.somewhere_in(folder)
        stop_gap.status()
        try:
            return cls(Profile.from_json((stop_gap.profile.run / "profile.json").read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise StackError(
                f"what runs here was started by another version, or its disk was full: run/profile.json can't be read "
                f"({error!r}); run ./bookstore down, then ./bookstore up"
            ) from error

    @classmethod
    def somewhere_in(cls, folder: Path) -> Self:
        """Whatever may run in this folder, which alone says where a supervisor listens: enough to ask or stop it."""
        return cls(Profile(name=folder.name, folder=folder))

    @property
    def url(self) -> str:
        """Where clients reach the shop, through HAProxy."""
        return self.profile.url

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the program's own processes in this system."""
        return app_environment(self.profile, load_secrets(self.profile.folder.parent))

    def status(self) -> Message:
        """`{"url", "state", "processes": [{"name", "kind", "pid", "port", "state", "role"}]}`."""
        return ask(self.profile.control_socket, {"do": "status"})

    def fault(self, fault: Fault | str, target: str) -> str:
        """Kill, stop, cont or restart a process, or `primary`, `secondary`, `api`; returns the process's name."""
        question = {"do": "fault", "fault": Fault(fault).value, "target": target}
        return str(ask(self.profile.control_socket, question, seconds=ROLL_SECONDS)["name"])

    def replicas(self) -> list[str]:
        """The API replicas' names."""
        return [process["name"] for process in self.status()["processes"] if process["kind"] == "api"]

    def restart_gently(self, replica: str) -> str:
        """Restart one API replica without a failed request; returns its name."""
        return str(ask(self.profile.control_socket, {"do": "roll", "name": replica}, seconds=ROLL_SECONDS)["name"])

    def stop(self) -> None:
        """Stop everything, and return when nothing is left."""
        pid = int(ask(self.profile.control_socket, {"do": "stop"})["pid"])
        _wait_for_end(pid)


class running_stack:  # noqa: N801  used like a function: `with running_stack(profile) as stack`
    """Start a system, hand it out, and stop it; `with` and `async with`. It stops, too, when this process dies."""

    def __init__(self, profile: Profile, *, listener: Listener | None = None) -> None:
        self._profile = profile
        self._listener = listener or (lambda _: None)
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stack:
        self._supervisor = launch(self._profile, leash=True)
        started = False
        try:
            started = follow_start(self._supervisor, self._listener)
        finally:
            if not started:
                _close(self._supervisor)
        if not started:
            raise StackError(f"another run uses {self._profile.folder}; stop it, or take another folder")
        return Stack(self._profile)

    def __exit__(self, *_: object) -> None:
        assert self._supervisor is not None
        _close(self._supervisor)

    async def __aenter__(self) -> Stack:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)


def launch(profile: Profile, *, leash: bool) -> subprocess.Popen[bytes]:
    """Start a supervisor in a session of its own; on a leash, it stops when our end of its standard input closes."""
    profile.make_folders()
    command = [sys.executable, "-m", "stack.daemon", profile.to_json(), *(["--leash"] if leash else [])]
    with (profile.logs / SUPERVISOR_LOG).open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if leash else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=inherited_environment(),
            start_new_session=True,
        )


def follow_start(supervisor: subprocess.Popen[bytes], listener: Listener) -> bool:
    """Pass on what the supervisor reports until it is ready; False when another one runs there already.

    Raises:
        StackError: it couldn't start; everything that had started is stopped again.
    """
    for message in reports(supervisor):
        listener(message)
        match message:
            case {"event": "ready"}:
                return True
            case {"event": "busy"}:
                return False
            case {"event": "failed", "text": str(text)}:
                supervisor.wait()
                raise StackError(text)
            case {"event": "stopped"}:
                raise StackError("it was stopped while it started")
    raise StackError("the supervisor died while it started; its log (logs/supervisor.log in the state folder) says why")


def reports(supervisor: subprocess.Popen[bytes]) -> Iterator[Message]:
    """The supervisor's messages until it ends."""
    assert supervisor.stdout is not None
    for line in supervisor.stdout:
        yield json.loads(line)


def _close(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.stdin:
        supervisor.stdin.close()
    if supervisor.stdout:
        supervisor.stdout.read()
        supervisor.stdout.close()
    supervisor.wait(_STOP_SECONDS)


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while _lives(pid):
        if time.monotonic() > deadline:
            raise StackError(
                f"the supervisor (pid {pid}) doesn't come to an end; type: kill -9 {pid}, then ./bookstore up"
            )
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, and nobody has fetched its exit code yet
