"""docker-compose.yml and the Dockerfile keep their rules, checked without a Docker engine."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

REPOSITORY: Final = Path(__file__).parents[2]
COMPOSITION: Final = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSITION["services"]
JOBS: Final = {"secrets", "replica-set", "migrate", "starter-books"}
PINNED: Final = re.compile(r"[\w./-]+:v?\d+(\.\d+)+(-[\w.-]+)?")
DOCKERFILE: Final = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def test_everything_is_there() -> None:
    assert set(SERVICES) == JOBS | {
        "mongo-1", "mongo-2", "mongo-3", "redis-cache", "redis-broker", "api-1", "api-2", "api-3", "worker",
        "worker-money", "beat", "relay", "haproxy", "mail", "stripe",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(SERVICES) - JOBS))
def test_what_stays_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]


@pytest.mark.parametrize("name", sorted(JOBS))
def test_jobs_run_once_and_again_only_where_they_failed(name: str) -> None:
    assert SERVICES[name]["restart"] == "on-failure"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nobody_can_write_to_the_image_or_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("privileged", False) is False


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        assert service["image"] == ("bookstore-stand-in:local" if name == "stripe" else "bookstore:local")
    else:
        assert PINNED.fullmatch(service["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_from_files(name: str) -> None:
    # given
    environment = SERVICES[name].get("environment", {})
    # then
    for variable, value in environment.items():
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN|MONGO_.*URL", variable):
            assert variable.endswith("_FILE"), variable
            assert value.startswith("/of-migrate/" if "MIGRATE_URL" in variable else "/secrets/")
    # No address names a user with a password.
    assert not re.search(r"://[^/\s]*@", str(environment))


def test_each_sees_the_secrets_alone_that_it_needs() -> None:
    # given: the volumes with secrets that each service has, but for the one that makes them
    seen = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith("secrets")}
        for name, service in SERVICES.items()
        if name != "secrets"
    }
    # then
    assert {name for name, volumes in seen.items() if "secrets-of-migrate" in volumes} == {"migrate"}
    assert {name for name, volumes in seen.items() if "secrets-of-stripe" in volumes} == {"stripe"}
    assert seen["stripe"] == {"secrets-of-stripe"}
    assert seen["haproxy"] == seen["mail"] == seen["redis-cache"] == seen["redis-broker"] == set()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_only_haproxy_and_the_mail_page_are_published_and_only_on_loopback(name: str) -> None:
    # given
    published = SERVICES[name].get("ports", [])
    # then
    assert bool(published) == (name in {"haproxy", "mail"})
    assert all(port.startswith(("127.0.0.1:", "${BOOKSTORE_BIND:-127.0.0.1}:")) for port in published)


def test_only_an_empty_shop_gets_the_starter_books() -> None:
    assert SERVICES["starter-books"]["command"] == ["python", "-m", "app.importing", "--starter", "--if-empty"]


def test_what_one_waits_for_exists_and_ends_as_expected() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if name in JOBS else "service_healthy"
            assert wait == {"condition": expected}


def test_the_runtime_socket_listens_on_the_inner_network_alone() -> None:
    haproxy = SERVICES["haproxy"]
    assert haproxy["environment"]["HAPROXY_RUNTIME_SOCKET"] == "ipv4@edge-control:9999"
    assert haproxy["networks"]["shop"]["aliases"] == ["edge-control"]
    assert COMPOSITION["networks"]["shop"]["internal"] is True
    assert SERVICES["api-1"]["environment"]["BOOKSTORE_EDGE_SOCKETS"] == "edge-control:9999"


def test_names_that_must_not_hang_have_the_addresses_that_they_stand_for() -> None:
    # given
    addresses = dict(entry.split(":$", 1) for entry in COMPOSITION["x-addresses"])
    services = {"haproxy" if name == "edge-control" else name: f"${rest}" for name, rest in addresses.items()}
    # then
    for name, address in services.items():
        assert SERVICES[name]["networks"]["shop"]["ipv4_address"] == address
    members = ("mongo-1", "mongo-2", "mongo-3")
    for name in (*members, "stripe", "api-1", "worker", "worker-money", "beat", "relay", "migrate"):
        assert SERVICES[name]["extra_hosts"] == COMPOSITION["x-addresses"]


def test_the_image_is_small_locked_and_runs_as_nobody() -> None:
    # given
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    # then
    assert len(bases) == 4
    assert len(set(bases)) == 1
    assert PINNED.fullmatch(bases[0])
    assert "-slim" in bases[0]
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in last_stage
    assert not re.search(r"^(ADD|RUN .*(curl|wget|apt-get))", DOCKERFILE, re.MULTILINE)


def test_the_image_runs_the_version_that_the_lock_is_for() -> None:
    # given
    wanted = re.search(r'requires-python = ">=(\d+\.\d+)"', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    # then
    assert wanted is not None
    assert f"FROM python:{wanted[1]}." in DOCKERFILE


def test_only_what_the_image_needs_is_sent_to_the_engine() -> None:
    # given
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        path for paths in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for path in paths.split()
    ]
    # then
    assert lines[1] == "*"
    sent = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert all(any(fnmatch(path, pattern) for pattern in sent) for path in copied)


def test_the_stand_in_for_stripe_stays_out_of_the_shops_image() -> None:
    # given
    shop, stand_in = (
        (REPOSITORY / f"requirements/{name}.txt").read_text(encoding="utf-8") for name in ("app", "stand-in")
    )
    # then
    assert "localstripe==" not in shop
    assert re.sub(r"^localstripe==.*\n(    .*\n)+", "", stand_in, flags=re.MULTILINE) == shop
    assert "stand-in" not in DOCKERFILE.rpartition("\nFROM ")[2]


def test_whoever_has_no_keys_of_stripes_can_pay_by_test_cards() -> None:
    # given
    shop, stand_in = SERVICES["api-1"]["environment"], SERVICES["stripe"]
    # then
    assert shop["BOOKSTORE_STRIPE_API_BASE"] == "http://stripe:8420"
    # One secret in two files, as `test_secrets` says: the stand-in sees none of the shop's others.
    assert shop["STRIPE_WEBHOOK_SECRET_FILE"] == "/secrets/app/stripe_webhook_secret"
    assert stand_in["environment"]["STRIPE_WEBHOOK_SECRET_FILE"] == "/secrets/stripe_webhook_secret"
    assert "--webhook=http://edge-control:8080/api/v1/webhooks/stripe" in stand_in["command"]
    assert set(stand_in["networks"]) == {"shop"}


def test_with_stripe_only_those_who_ask_it_get_a_way_out() -> None:
    # given
    added = yaml.safe_load((REPOSITORY / "docker-compose.stripe.yml").read_text(encoding="utf-8"))
    # then
    assert set(added["services"]) <= set(SERVICES)
    assert added["services"].pop("stripe") == {"profiles": ["never"]}
    assert {name for name, service in added["services"].items() if "outside" in service["networks"]} == {
        "api-1", "api-2", "api-3", "worker", "worker-money",
    }  # fmt: skip
    for service in added["services"].values():
        assert service["environment"]["BOOKSTORE_STRIPE_STAND_IN"] == "false"
        assert service["environment"]["BOOKSTORE_STRIPE_API_BASE"] == "https://api.stripe.com"
        assert {name for name in service["environment"] if name.startswith("STRIPE")} == {
            "STRIPE_API_KEY_FILE", "STRIPE_WEBHOOK_SECRET_FILE",
        }  # fmt: skip
        assert set(service["secrets"]) == set(added["secrets"])


def test_with_a_certificate_haproxy_speaks_tls_and_the_stand_in_may_go_without() -> None:
    # given
    added = yaml.safe_load((REPOSITORY / "docker-compose.tls.yml").read_text(encoding="utf-8"))
    # then
    assert set(added["services"]) == {"haproxy"}
    haproxy = added["services"]["haproxy"]
    [certificate] = haproxy["secrets"]
    assert added["secrets"][certificate]["file"].startswith("${BOOKSTORE_TLS_CERT:?")
    assert haproxy["environment"]["HAPROXY_TLS_CERT"] == f"/run/secrets/{certificate}"
    assert haproxy["ports"] == ["${BOOKSTORE_BIND:-127.0.0.1}:${BOOKSTORE_TLS_PORT:-8443}:8443"]
    assert SERVICES["stripe"]["networks"]["shop"]["ipv4_address"] in haproxy["environment"]["HAPROXY_TRUSTED"]
