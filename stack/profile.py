"""Where one running system keeps its files, which ports it listens on, and which parts it has."""

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parent.parent

# sun_path holds 107 characters, and HAProxy binds under a longer temporary name first.
_LONGEST_SOCKET_FOLDER = 70

_LANES = 40
_LANE_WIDTH = 20

SUPERVISOR_LOG = "supervisor.log"
KINDS = ("mongod", "redis", "api", "celery", "haproxy", "localstripe", "smtp")


def state_folder() -> Path:
    """The one ignored folder that holds everything a run leaves on disk."""
    return Path(os.environ.get("BOOKSTORE_STATE") or REPOSITORY / ".bookstore").absolute()


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Loopback ports, one per listener."""

    haproxy: int = 8080
    stats: int = 8404
    api: tuple[int, ...] = (8101, 8102, 8103)
    mongo: tuple[int, ...] = (27101, 27102, 27103)
    redis_cache: int = 6481
    redis_broker: int = 6482
    stripe: int = 8420
    smtp: int = 8025
    tls: int | None = None

    def listeners(self) -> dict[str, int]:
        """Every port by the name of the process that listens on it."""
        return {
            "haproxy": self.haproxy,
            "haproxy's statistics": self.stats,
            **({"haproxy's TLS": self.tls} if self.tls else {}),
            **{f"api-{number}": port for number, port in enumerate(self.api, 1)},
            **{f"mongo-{number}": port for number, port in enumerate(self.mongo, 1)},
            "redis-cache": self.redis_cache,
            "redis-broker": self.redis_broker,
            "stripe": self.stripe,
            "mail": self.smtp,
        }


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One system: its name, folder, ports and parts; `extra_environment` reaches every process of ours, and HAProxy."""

    name: str
    folder: Path
    ports: Ports = field(default_factory=Ports)
    parts: tuple[str, ...] = KINDS
    environment: str = "development"
    starter_books: bool = True
    afresh: bool = False
    """Whether what an earlier run left in the folder is deleted at the start."""
    extra_environment: dict[str, str] = field(default_factory=dict)
    certificate: str | None = None
    """A file with a certificate, its chain and its key: with it HAProxy speaks TLS, too, on `ports.tls`."""

    @property
    def url(self) -> str:
        """Where clients reach the shop."""
        return f"http://127.0.0.1:{self.ports.haproxy}"

    @property
    def tls_url(self) -> str | None:
        """The same over TLS, where it has a certificate."""
        return f"https://127.0.0.1:{self.ports.tls}" if self.ports.tls else None

    @property
    def data(self) -> Path:
        """Databases, and the mails the sink received."""
        return self.folder / "data"

    @property
    def mails(self) -> Path:
        """Every message that the mail sink took."""
        return self.data / "mail"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """What matters only while it runs: lock, key file, process list."""
        return self.folder / "run"

    @property
    def status_file(self) -> Path:
        """The last known state of every process, as JSON."""
        return self.folder / "status.json"

    @property
    def sockets(self) -> Path:
        """Unix sockets; a short private folder elsewhere when the state folder's path is too long for one."""
        if len(str(self.run)) <= _LONGEST_SOCKET_FOLDER:
            return self.run
        digest = hashlib.sha256(str(self.run).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"bookstore-{os.getuid()}-{digest}"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor listens for the CLI."""
        return self.sockets / "control.sock"

    @property
    def runtime_socket(self) -> Path:
        """HAProxy's own command socket."""
        return self.sockets / "haproxy.sock"

    def make_folders(self) -> None:
        """Make what is missing; the socket folder belongs to its owner alone."""
        for folder in (self.data, self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)

    def forget_earlier_runs(self) -> None:
        """Delete their data and logs; the supervisor's log is being written."""
        shutil.rmtree(self.data, ignore_errors=True)
        for log in self.logs.iterdir():
            if log.name != SUPERVISOR_LOG:
                log.unlink()
        self.make_folders()

    def to_json(self) -> str:
        """For the supervisor, which is a process of its own."""
        return json.dumps({**asdict(self), "folder": str(self.folder)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what `to_json` wrote."""
        values = json.loads(text)
        ports: dict[str, Any] = {
            name: tuple(port) if isinstance(port, list) else port for name, port in values["ports"].items()
        }
        return cls(
            **{
                **values,
                "folder": Path(values["folder"]),
                "parts": tuple(values["parts"]),
                "ports": Ports(**ports),
            }
        )


def default_profile(*, port: int | None = None, replicas: int | None = None) -> Profile:
    """The system that `./bookstore up` runs, or the one that BOOKSTORE_PROFILE names: in tests, theirs."""
    ports = Ports()
    if port is not None:
        taken = {number: name for name, number in ports.listeners().items() if name != "haproxy"}
        if port in taken:
            raise StackError(f"port {port} is what {taken[port]} listens on; choose another one")
        ports = replace(ports, haproxy=port)
    if replicas is not None:
        ports = replace(ports, api=tuple(range(ports.api[0], ports.api[0] + replicas)))
    # With a key of Stripe's own, Stripe is the gateway.
    parts = tuple(kind for kind in KINDS if kind != "localstripe" or not os.environ.get("STRIPE_API_KEY"))
    name = os.environ.get("BOOKSTORE_PROFILE") or "up"
    certificate = os.environ.get("BOOKSTORE_TLS_CERT")
    return Profile(
        name=name,
        folder=state_folder() / name,
        ports=replace(ports, tls=_tls_port(ports)) if certificate else ports,
        parts=parts,
        certificate=str(Path(certificate).absolute()) if certificate else None,
    )


def _tls_port(ports: Ports) -> int:
    named = os.environ.get("BOOKSTORE_TLS_PORT") or "8443"
    if not (named.isdecimal() and 0 < int(named) < 65536):  # noqa: PLR2004  ports have 16 bits
        raise StackError(f"BOOKSTORE_TLS_PORT is {named!r}; it must be a port's number, such as 8443")
    taken = {number: name for name, number in ports.listeners().items()}
    if int(named) in taken:
        raise StackError(f"BOOKSTORE_TLS_PORT is {named}, where {taken[int(named)]} listens; choose another one")
    return int(named)


def throwaway_profile(name: str, *, replicas: int = 3, folder: Path | None = None, first_port: int = 18080) -> Profile:
    """A system beside the others, for tests and measurements: its own folder, and ports that were free just now.

    It starts empty: a replica set's configuration is kept with its data, and names the ports of the run that made it.
    """
    # Who starts at the same moment as another begins to look elsewhere: between looking and listening lie seconds.
    port = free_ports_from(first_port + _LANE_WIDTH * (os.getpid() % _LANES))
    return Profile(
        name=name,
        folder=folder or state_folder() / name,
        ports=Ports(
            haproxy=next(port),
            stats=next(port),
            api=tuple(next(port) for _ in range(replicas)),
            mongo=tuple(next(port) for _ in range(3)),
            redis_cache=next(port),
            redis_broker=next(port),
            stripe=next(port),
            smtp=next(port),
        ),
        environment="test",
        afresh=True,
    )


def free_ports_from(first: int) -> Iterator[int]:
    """Yield ports that are free now, each held until the iterator is gone.

    They lie below the range that the kernel hands out to clients, so that no outgoing connection takes one before us.

    Raises:
        StackError: there are no more.
    """
    with ExitStack() as held:
        for port in range(first, 32000):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            yield port
    raise StackError("no ports are free below 32000")
