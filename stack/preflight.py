"""Looks before the start whether it can work: programs, disk, ports. Each refusal says what to do."""

import errno
import shutil
import socket
import subprocess
from pathlib import Path

import psutil

from stack.errors import StackError
from stack.processes import HAPROXY_CONFIGURATION, ProcessSpec, mongod_binary
from stack.profile import Profile

_WANTED_BYTES = 1 << 30


def check_before_start(profile: Profile, specs: list[ProcessSpec]) -> None:
    """Raise StackError at the first thing that would keep the system from starting."""
    _check_disk(profile)
    _check_programs(specs)
    _check_ports(profile, {spec.name for spec in specs})


def _check_disk(profile: Profile) -> None:
    free = shutil.disk_usage(profile.folder).free
    if free < _WANTED_BYTES:
        raise StackError(
            f"the disk that holds {profile.folder} has {free >> 20} MiB left and the databases need "
            f"{_WANTED_BYTES >> 20}; make room, or name another folder in BOOKSTORE_STATE"
        )


def _check_programs(specs: list[ProcessSpec]) -> None:
    kinds = {spec.kind for spec in specs}
    debian = {"redis": ("redis-server", "redis-server"), "haproxy": ("haproxy", "haproxy")}
    for kind, (program, package) in debian.items():
        if kind in kinds and shutil.which(program) is None:
            raise StackError(f"{program} is missing; type: sudo apt-get install -y {package}")
    if shutil.which("setpriv") is None:
        raise StackError("setpriv is missing; type: sudo apt-get install -y util-linux")
    if "mongod" in kinds:
        _check_mongod()
    for spec in specs:
        if spec.kind == "haproxy":
            _check_certificate(spec)
            _check_haproxy(spec)


def _check_mongod() -> None:
    program = mongod_binary()
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        raise StackError(
            f"{program} can't be run ({error.strerror}); name a mongod of version 6 or newer in MONGOD"
        ) from error
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip().splitlines() or ["it says nothing"]
        raise StackError(f"{program} doesn't run here ({said[-1]}); name a mongod of version 6 or newer in MONGOD")


def _check_certificate(spec: ProcessSpec) -> None:
    named = spec.environment.get("HAPROXY_TLS_CERT")
    if named is None:
        return
    try:
        held = Path(named).read_bytes()
    except OSError as error:
        raise StackError(f"BOOKSTORE_TLS_CERT names {named}, which can't be read: {error}") from error
    if b"-----BEGIN CERTIFICATE-----" not in held or b"PRIVATE KEY-----" not in held:
        raise StackError(
            f"BOOKSTORE_TLS_CERT names {named}, which doesn't hold both a certificate and its key; "
            "HAProxy reads them from one file: cat certificate.pem chain.pem key.pem > shop.pem"
        )


def _check_haproxy(spec: ProcessSpec) -> None:
    answer = subprocess.run(
        ["haproxy", "-c", "-f", str(HAPROXY_CONFIGURATION)],
        env=spec.environment,
        stdin=subprocess.DEVNULL,  # a key with a pass phrase would wait for it
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if answer.returncode:
        said = answer.stderr.strip().splitlines() or ["it says nothing"]
        complaint = next((line for line in said if "ALERT" in line), said[0])
        raise StackError(f"haproxy refuses {HAPROXY_CONFIGURATION}: {complaint}")


def _check_ports(profile: Profile, names: set[str]) -> None:
    for name, port in profile.ports.listeners().items():
        if name.split("'")[0] not in names:
            continue
        try:
            is_taken = _is_taken(port)
        except PermissionError as error:
            raise StackError(f"port {port}, which {name} needs, is root's; choose one from 1024 on") from error
        if is_taken:
            raise StackError(
                f"port {port}, which {name} needs, is taken by {_holder(port)}; {_way_out(profile, name, port)}"
            )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False


def _holder(port: int) -> str:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if connection.pid is None:
                break
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "a process of another user"


def _way_out(profile: Profile, name: str, port: int) -> str:
    if name == "haproxy" and profile.name == "up":
        ours = set(profile.ports.listeners().values())
        other = next(free for free in range(port + 1, 65536) if free not in ours and not _is_taken(free))
        return f"stop that, or choose another port: ./bookstore up --port {other}"
    if port == profile.ports.tls:
        return "stop that, or name another port in BOOKSTORE_TLS_PORT"
    return "stop that, then run it again"
