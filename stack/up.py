"""`up`: starts the system with progress, shows it, and stays with it until Ctrl-C unless it is detached."""

import signal
import subprocess
import time
from types import FrameType
from typing import Self

from rich.status import Status

from stack.control import Message
from stack.display import console, show_what_next, status_table
from stack.errors import NotRunningError, StackError
from stack.profile import Profile
from stack.running import Stack, follow_start, launch, reports

_ALREADY_SECONDS = 120.0
_PAUSE = 0.2
_STAYS = "Its ports, its replicas and its certificate stay as they are"


def bring_up(profile: Profile, *, detach: bool) -> None:
    """Start the system or find it running; return at once when detached, else when it has been stopped.

    Raises:
        KeyboardInterrupt: it was stopped before it was ready.
    """
    signal.signal(signal.SIGTERM, _as_interrupt)
    # A shell that starts us in the background lets us inherit that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    is_ready = False
    supervisor = launch(profile, leash=not detach)
    try:
        with Progress() as progress:
            while not follow_start(supervisor, progress.show):
                supervisor.wait()
                if _showed_running(profile, until=started + _ALREADY_SECONDS):
                    return
                supervisor = launch(profile, leash=not detach)
        is_ready = True
        stack = Stack(profile)
        console.print(f"Ready after {time.monotonic() - started:.1f} s.\n")
        console.print(status_table(stack.status()))
        show_what_next(stack.profile)
        if detach:
            console.print("\nIt goes on in the background; ./bookstore down stops it.")
            return
        console.print("\nCtrl-C stops everything; ./bookstore status shows it from another terminal.")
        _stay(supervisor)
    except KeyboardInterrupt:
        _stop(supervisor, profile, leashed=not detach)
        if not is_ready:
            raise


def _stay(supervisor: subprocess.Popen[bytes]) -> None:
    for message in reports(supervisor):
        match message:
            case {"event": "changed", "name": name, "state": state}:
                console.print(f"{time.strftime('%H:%M:%S')}  {name}: {state}", highlight=False)
            case {"event": "failed", "text": str(text)}:
                raise StackError(text)
            case {"event": "stopped"}:
                console.print("Stopped.")
                return
    raise StackError("the supervisor died; ./bookstore up cleans up after it and starts again")


def _stop(supervisor: subprocess.Popen[bytes], profile: Profile, *, leashed: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    console.print("\nStopping: balancer, workers, API, mail and payments, Redis, MongoDB …")
    if leashed and supervisor.stdin:
        supervisor.stdin.close()
    else:
        Stack(profile).stop()
    for _ in reports(supervisor):
        pass
    supervisor.wait()
    console.print("Stopped.")


def _showed_running(profile: Profile, *, until: float) -> bool:
    # Another run that holds the folder may not listen yet, or any more: then it is up to us to try again.
    try:
        stack = Stack.running_in(profile.folder)
        while (status := stack.status())["state"] != "ready":
            _pause(until)
    except NotRunningError:
        _pause(until)
        return False
    running = stack.profile
    hint = "" if _asked(profile) == _asked(running) else f" {_STAYS}: run ./bookstore down first."
    console.print(f"It is running already.{hint}\n", highlight=False)
    console.print(status_table(status))
    show_what_next(stack.profile)
    return True


def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise StackError("another run is starting or stopping and takes long; see ./bookstore status")
    time.sleep(_PAUSE)


def _asked(profile: Profile) -> tuple[object, ...]:
    return profile.ports.haproxy, profile.ports.tls, len(profile.ports.api), profile.certificate


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Progress:
    """A spinner on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._status: Status | None = console.status("Starting") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the spinner away."""
        if self._status:
            self._status.stop()

    def show(self, message: Message) -> None:
        """Show one message of the supervisor's."""
        if message["event"] == "progress":
            console.print(f"[dim]·[/] {message['text']} …", highlight=False)
        elif message["event"] == "changed":
            console.print(f"[yellow]·[/] {message['name']}: {message['state']}", highlight=False)
