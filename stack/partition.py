"""Cuts one process off from others on this machine: what they send to each other is lost, and nobody is told.

Everybody else reaches all of them. Linux alone can do that: a control group (version 2) tells the kernel who sends,
and iptables drops it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from stack.errors import StackError

_CHAIN: Final = f"BOOKSTORE-{os.getpid()}"
"""A chain of each process's own: two may cut something off at once, and one that was killed leaves its chain behind."""


@dataclass(frozen=True)
class Server:
    """A process, and the port of the loopback interface that it listens on."""

    pid: int
    port: int


def what_is_missing() -> str | None:
    """Return what keeps this machine from cutting anybody off, as a sentence that says what to do; None if nothing."""
    if os.geteuid() != 0:
        return "only root may drop what processes send to each other; run it with sudo"
    if shutil.which("iptables") is None:
        return "iptables is missing; type: sudo apt-get install -y iptables"
    root = _control_groups()
    if root is None or not os.access(root, os.W_OK):
        return "there are no control groups of version 2 to write to; in a container, start it with --privileged"
    try:
        with _chain():
            _drop(["-m", "cgroup", "--path", "/"])
    except StackError as error:
        return f"this kernel doesn't do it: {error}"
    return None


@contextmanager
def cut_off(one: Server, others: Sequence[Server]) -> Iterator[None]:
    """Lose everything that one process and the others send to each other, while the context lasts.

    Raises:
        StackError: this machine can't; nothing is changed then.
    """
    if missing := what_is_missing():
        raise StackError(missing)
    root = _control_groups()
    assert root is not None
    with ExitStack() as undo:
        here = undo.enter_context(_group(root, "one", [one]))
        there = undo.enter_context(_group(root, "others", others))
        undo.enter_context(_chain())
        undo.enter_context(_in_use())
        # New connections first: those that exist can be counted only when there are no more of them.
        _drop(["-m", "cgroup", "--path", here, "-m", "multiport", "--dports", _ports(others)])
        _drop(["-m", "cgroup", "--path", there, "-m", "multiport", "--dports", _ports([one])])
        for near, far in _connections(one, others):
            _drop(["--sport", str(near), "--dport", str(far)])
            _drop(["--sport", str(far), "--dport", str(near)])
        yield


def _control_groups() -> Path | None:
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    return None


@contextmanager
def _group(root: Path, name: str, members: Sequence[Server]) -> Iterator[str]:
    group = root / f"bookstore-{members[0].pid}-{name}"
    homes = {server.pid: root / _home(server.pid) for server in members}
    group.mkdir()
    try:
        for pid in homes:
            _move(pid, group)
        yield group.name
    finally:
        for pid, home in homes.items():
            if psutil.pid_exists(pid):
                _move(pid, home)
        group.rmdir()


def _home(pid: int) -> str:
    lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("0::/") for line in lines if line.startswith("0::"))


def _move(pid: int, group: Path) -> None:
    (group / "cgroup.procs").write_text(str(pid), encoding="utf-8")


@contextmanager
def _chain() -> Iterator[None]:
    _iptables("-N", _CHAIN)
    try:
        yield
    finally:
        _iptables("-F", _CHAIN)
        _iptables("-X", _CHAIN)


@contextmanager
def _in_use() -> Iterator[None]:
    jump = ("OUTPUT", "-o", "lo", "-j", _CHAIN)
    _iptables("-I", *jump)
    try:
        yield
    finally:
        _iptables("-D", *jump)


def _drop(matches: Sequence[str]) -> None:
    _iptables("-A", _CHAIN, "-p", "tcp", *matches, "-j", "DROP")


def _connections(one: Server, others: Sequence[Server]) -> Iterator[tuple[int, int]]:
    for server, peers in ((one, others), *((other, [one]) for other in others)):
        far = {peer.port for peer in peers}
        for connection in psutil.Process(server.pid).net_connections("tcp"):
            if connection.raddr and connection.raddr.port in far:
                yield connection.laddr.port, connection.raddr.port


def _ports(servers: Sequence[Server]) -> str:
    return ",".join(str(server.port) for server in servers)


def _iptables(*arguments: str) -> None:
    done = subprocess.run(["iptables", "-w", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"iptables {' '.join(arguments)} failed: {done.stderr.strip()[:200]}")
