"""The environment variables that our own processes, and the tests, read."""

import os

from stack.profile import REPOSITORY, Profile
from stack.secrets import Secrets

# Every process of a profile carries this; it tells a left-over of ours from a stranger that got the same pid or port.
MARK = "BOOKSTORE_STACK_FOLDER"

REPLICA_SET = "bookstore"


def mongo_url(profile: Profile, *, user: str, password: str) -> str:
    """The replica set, as one user."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in profile.ports.mongo)
    return f"mongodb://{user}:{password}@{hosts}/?replicaSet={REPLICA_SET}&authSource=admin"


def app_environment(profile: Profile, secrets: Secrets) -> dict[str, str]:
    """What the API, the worker, the importer and the tests need to find their way round this profile."""
    ports = profile.ports
    gateway = {
        "STRIPE_API_KEY": secrets.stripe_api_key,
        "STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook_secret,
        "BOOKSTORE_STRIPE_API_BASE": f"http://127.0.0.1:{ports.stripe}",
    }
    if "localstripe" not in profile.parts:
        gateway = {name: os.environ[name] for name in gateway if os.environ.get(name)}
    return {
        "BOOKSTORE_ENVIRONMENT": profile.environment,
        "BOOKSTORE_MONGO_URL": mongo_url(profile, user="bookstore_app", password=secrets.mongo_app_password),
        "BOOKSTORE_MONGO_MIGRATE_URL": mongo_url(
            profile, user="bookstore_migrate", password=secrets.mongo_migrate_password
        ),
        "BOOKSTORE_MONGO_DATABASE": "bookstore",
        "BOOKSTORE_CACHE_URL": f"redis://127.0.0.1:{ports.redis_cache}/0",
        "BOOKSTORE_BROKER_URL": f"redis://127.0.0.1:{ports.redis_broker}/0",
        "BOOKSTORE_SECRET_KEY": secrets.secret_key,
        "BOOKSTORE_EDGE_SOCKETS": str(profile.runtime_socket),
        "BOOKSTORE_SMTP_URL": f"smtp://127.0.0.1:{ports.smtp}",
        "BOOKSTORE_STAFF_EMAIL": "staff@bookstore.example",
        **gateway,
        **profile.extra_environment,
    }


def haproxy_environment(profile: Profile) -> dict[str, str]:
    """What haproxy.cfg reads; replicas that this profile hasn't got point at a port where nothing listens."""
    ports = profile.ports
    addresses = {f"HAPROXY_API_{number}": "127.0.0.1:1" for number in range(1, 4)}
    addresses |= {f"HAPROXY_API_{number}": f"127.0.0.1:{port}" for number, port in enumerate(ports.api, 1)}
    return {
        "HAPROXY_BIND": f"127.0.0.1:{ports.haproxy}",
        "HAPROXY_STATS_BIND": f"127.0.0.1:{ports.stats}",
        "HAPROXY_RUNTIME_SOCKET": str(profile.runtime_socket),
        "HAPROXY_TRUSTED": "127.0.0.0/8 ::1",
        "HAPROXY_ERRORS": str(REPOSITORY / "haproxy" / "errors"),
        **addresses,
        **({"HAPROXY_TLS_CERT": profile.certificate} if profile.certificate else {}),
        **({"HAPROXY_TLS_BIND": f"127.0.0.1:{ports.tls}", "HAPROXY_TLS_PORT": str(ports.tls)} if ports.tls else {}),
        **{name: value for name, value in profile.extra_environment.items() if name.startswith("HAPROXY_")},
    }


def inherited_environment() -> dict[str, str]:
    """The person's own environment, with our packages importable from any working folder."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
