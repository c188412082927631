"""One configuration file for the local stack and for Docker: HAProxy accepts it with either's environment."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.haproxy.edge import CONFIGURATION, REPOSITORY, haproxy_binary

DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
LOCAL = {
    "HAPROXY_BIND": "127.0.0.1:18080",
    "HAPROXY_STATS_BIND": "127.0.0.1:18404",
    "HAPROXY_RUNTIME_SOCKET": "/tmp/bookstore-test-haproxy.sock",
    "HAPROXY_API_1": "127.0.0.1:18101",
    "HAPROXY_API_2": "127.0.0.1:18102",
    "HAPROXY_API_3": "127.0.0.1:1",
    "HAPROXY_TRUSTED": "127.0.0.0/8 ::1",
}


def in_docker() -> dict[str, str]:
    """Return what docker-compose.yml sets, with names and folders that exist here."""
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    given = {name: DEFAULT.sub(r"\1", value) for name, value in services["haproxy"]["environment"].items()}
    return {**given, "HAPROXY_RUNTIME_SOCKET": "ipv4@127.0.0.1:9999", "HAPROXY_ERRORS": "haproxy/errors"}


@pytest.mark.parametrize("environment", [LOCAL, in_docker(), {}], ids=["local", "docker", "defaults"])
def test_haproxy_accepts_the_configuration(environment: Mapping[str, str]) -> None:
    # when
    checked = subprocess.run(
        [haproxy_binary(), "-c", "-f", str(CONFIGURATION)],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # then
    assert (checked.returncode, checked.stdout.strip(), checked.stderr) == (0, "Configuration file is valid", "")


def test_every_variable_that_the_configuration_reads_has_a_default() -> None:
    # given
    text = CONFIGURATION.read_text(encoding="utf-8")
    # when
    read = {part.split("}")[0].removesuffix("[*]") for part in text.split("${")[1:]}
    given = {line.split()[1] for line in text.splitlines() if line.strip().startswith(("presetenv ", "setenv "))}
    # then
    assert given >= read - {"HAPROXY_TLS_CERT"}
    assert Path(CONFIGURATION.parent, "errors", "503.json").exists()
