"""Starts servers for a benchmark, and stops them again, also when the benchmark is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from stack.environment import inherited_environment
from stack.errors import StackError
from stack.profile import free_ports_from

_UVICORN: Final = (
    sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools",
    "--timeout-keep-alive", "75", "--no-access-log", "--no-server-header", "--no-proxy-headers",
)  # fmt: skip
_START_SECONDS: Final = 30.0


def free_ports(count: int, *, first: int = 20_080) -> list[int]:
    """Return so many ports that are free now."""
    return list(islice(free_ports_from(first), count))


@contextmanager
def serving(
    name: str, command: tuple[str, ...], *, port: int, environment: Mapping[str, str], logs: Path
) -> Iterator[int]:
    """Run a server until the block ends; it listens when the block begins. Yields its process id.

    It has a session of its own, as each part of the shop has: Linux shares the processors between sessions first
    (sched_autogroup), and who shares the load generator's is up to 8 % faster than it would be anywhere else.
    """
    log = logs / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**inherited_environment(), **environment},
        )
    try:
        _wait_until_it_listens(name, process, port=port, log=log)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def uvicorn(
    target: str, *, port: int, environment: Mapping[str, str], logs: Path, factory: bool = False
) -> Iterator[int]:
    """Serve an ASGI application with the same settings as the shop's replicas."""
    how = ("--factory",) if factory else ("--lifespan", "off")
    name = f"{target.partition(':')[0].rpartition('.')[2]}-{port}"
    command = (*_UVICORN, *how, "--port", str(port), target)
    with serving(name, command, port=port, environment=environment, logs=logs) as pid:
        yield pid


@contextmanager
def replica_without_redis(*, port: int, nowhere: int, environment: Mapping[str, str], logs: Path) -> Iterator[int]:
    """Serve the shop's API from a replica that finds no Redis: its breaker stays open, and MongoDB answers every read.

    Nothing may listen on the port `nowhere`.
    """
    alone = {
        "BOOKSTORE_CACHE_URL": f"redis://127.0.0.1:{nowhere}/0",
        "BOOKSTORE_EDGE_SOCKETS": "",
        "BOOKSTORE_PROCESS_NAME": "api-cold",
    }
    target = "app.main:create_app"
    with uvicorn(target, port=port, environment={**environment, **alone}, logs=logs, factory=True) as pid:
        yield pid


def _wait_until_it_listens(name: str, process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            continue
        return
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    raise StackError(f"{name} doesn't start: {said[-1]} (pid {process.pid} of {os.getpid()}, log {log})")
