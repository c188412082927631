"""One supervised process: started on a leash, signalled as a group, started again when it dies."""

import asyncio
import datetime as dt
import logging
import os
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from stack.errors import StackError
from stack.priority import go_first
from stack.probes import START_LINE
from stack.processes import ProcessSpec

_logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_STABLE_SECONDS = 10.0
_PROBE_PAUSE = 0.05


class State(StrEnum):
    """What a person sees in `status`."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    KILLED = "killed"  # by `fault kill`; stays dead until `fault restart`
    HUNG = "hung"  # by `fault stop`, until `fault cont`


class Child:
    """The life of one process, over all its restarts."""

    def __init__(self, spec: ProcessSpec, *, on_change: Callable[["Child"], None]) -> None:
        self.spec = spec
        self.state = State.STOPPED
        self.restarts = 0
        # Whoever stops or starts it on a person's wish holds this, so that two wishes at once don't mix.
        self.turn = asyncio.Lock()
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._wanted = False

    @property
    def pid(self) -> int | None:
        """The running process; none when it is dead."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and keep it alive from now on; `wait_ready` tells when it works."""
        self._wanted = True
        if self.pid is None:
            await self._spawn()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._keep_alive(), name=f"watch {self.spec.name}")

    async def wait_ready(self, *, seconds: float) -> None:
        """Return once its probe says yes.

        Raises:
            StackError: it keeps dying, or takes longer; with its last words.
        """
        deadline = time.monotonic() + seconds
        restarts = self.restarts
        while not await self.spec.ready():
            if self.restarts - restarts > 1:
                raise StackError(f"{self.spec.name} stops right after it starts: {last_words(self.spec.log)}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.spec.name} isn't ready after {seconds:.0f} s: {last_words(self.spec.log)}")
            await asyncio.sleep(_PROBE_PAUSE)
        if self.state is State.STARTING:
            self._become(State.RUNNING)

    async def stop(self) -> None:
        """Ask it to stop, insist when it doesn't, and leave nothing of its process group."""
        await self._leave_alone()
        process = self._process
        if process and process.returncode is None:
            self._signal_group(self.spec.stop_signal)
            self._signal_group(signal.SIGCONT)
            try:
                await asyncio.wait_for(process.wait(), self.spec.stop_seconds)
            except TimeoutError:
                self._signal_group(signal.SIGKILL)
                await process.wait()
        await self._end_group()
        self._become(State.STOPPED)

    async def kill(self) -> None:
        """`kill -9` to the whole group; it stays dead until it is started again."""
        await self._leave_alone()
        self._signal_group(signal.SIGKILL)
        if self._process:
            await self._process.wait()
        await self._end_group()
        self._become(State.KILLED)

    def hang(self) -> None:
        """SIGSTOP to the whole group."""
        self._signal_group(signal.SIGSTOP)
        self._become(State.HUNG)

    def resume(self) -> None:
        """SIGCONT to the whole group."""
        self._signal_group(signal.SIGCONT)
        if self.state is State.HUNG:
            self._become(State.RUNNING)

    def send(self, signal_number: signal.Signals) -> None:
        """A signal to the process itself."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal_number)

    async def _spawn(self) -> None:
        spec = self.spec
        try:
            with _open_log(spec) as log:
                # setpriv: the kernel kills the process when the supervisor dies, however that happens.
                self._process = await asyncio.create_subprocess_exec(
                    *("setpriv", "--pdeathsig", "KILL", "--", *spec.command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=spec.environment,
                    # Also a share of the processors of its own (sched_autogroup), as systemd and Docker would give it.
                    start_new_session=True,
                )
        except OSError as error:
            raise StackError(f"{spec.name} can't be started: {error} ({spec.command[0]})") from error
        if spec.nice:
            await asyncio.to_thread(go_first, self._process.pid, spec.nice)
        self._become(State.STARTING)

    async def _leave_alone(self) -> None:
        self._wanted = False
        if self._watch:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None

    async def _keep_alive(self) -> None:
        pause = _FIRST_PAUSE
        while self._wanted:
            started = time.monotonic()
            if self._process:
                ready = asyncio.create_task(self._notice_ready())
                try:
                    await self._process.wait()
                finally:
                    ready.cancel()
            if not self._wanted:
                return
            await self._end_group()
            pause = _FIRST_PAUSE if time.monotonic() - started > _STABLE_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            self.restarts += 1
            self._become(State.RESTARTING)
            await asyncio.sleep(pause)
            if self._wanted:
                try:
                    await self._spawn()
                except StackError as error:
                    # A full disk, no room for one more process: that passes, and it is tried again until then.
                    _logger.warning("%s", error)

    async def _notice_ready(self) -> None:
        while True:
            if await self.spec.ready():
                break
            await asyncio.sleep(_PROBE_PAUSE * 4)
        if self.state is State.STARTING:
            self._become(State.RUNNING)

    def _signal_group(self, signal_number: signal.Signals) -> None:
        if self._process:
            try:
                os.killpg(self._process.pid, signal_number)
            except ProcessLookupError:
                return

    async def _end_group(self) -> None:
        # A pool's children outlive their killed parent; the group's number can't be taken while one of them lives, and
        # may be a stranger's afterwards: it is forgotten.
        while self._process:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process = None
            else:
                await asyncio.sleep(0.01)

    def _become(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._on_change(self)


def _open_log(spec: ProcessSpec) -> BinaryIO:
    if spec.folder:
        spec.folder.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    log = spec.log.open("ab", buffering=0)
    log.write(f"{START_LINE} at {now}\n".encode())
    return log


def last_words(log: Path) -> str:
    """The last line of a log that says something, and where to read on."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    spoken = [line.strip() for line in lines if line.strip() and not line.startswith(START_LINE)]
    return f"{spoken[-1][:300]} (more in {log})" if spoken else f"it said nothing ({log})"
