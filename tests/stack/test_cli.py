import dataclasses
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stack.advisories import UNKNOWN
from stack.leftovers import left_processes
from stack.profile import REPOSITORY, Profile
from stack.running import running_stack
from tests.factories.certificates import self_signed
from tests.stack.command import UP, bookstore
from tests.stack.conditions import eventually

LOW_PORT = 80


def test_help_teaches_by_examples() -> None:
    # when
    answer = bookstore("--help")

    # then
    assert answer.returncode == 0
    for example in ("./bookstore up --detach", "./bookstore fault kill primary", "./bookstore test"):
        assert example in answer.stdout


def test_the_import_speaks_of_the_command_that_was_typed(state: Path) -> None:
    # when
    answer = bookstore("import", "--help")

    # then
    assert answer.returncode == 0
    assert " Usage: ./bookstore import [OPTIONS] [file]" in answer.stdout


def test_before_the_first_start_there_are_no_mails_and_no_logs(state: Path) -> None:
    # when
    mail = bookstore("mail")
    logs = bookstore("logs", "api-1")

    # then
    assert (mail.returncode, mail.stdout) == (0, "No e-mails yet.\n")
    assert (logs.returncode, logs.stderr) == (1, "bookstore: there is no log of 'api-1'; there are none yet\n")


@pytest.mark.parametrize(
    "command", [["status"], ["fault", "kill", "primary"], ["token"], ["restart", "api", "--rolling"]]
)
def test_without_a_running_system_a_sentence_says_what_to_do(state: Path, command: list[str]) -> None:
    # when
    answer = bookstore(*command)

    # then
    assert answer.returncode == 1
    assert answer.stderr == "bookstore: nothing is running here; start it with: ./bookstore up\n"
    assert answer.stdout == ""


def test_down_without_a_running_system_is_fine(state: Path) -> None:
    # when
    answer = bookstore("down")

    # then
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "Nothing was running.\n", "")


def test_status_as_json_has_the_promised_shape(profile: Profile) -> None:
    with running_stack(profile):
        # when
        answer = bookstore("status", "--json")

    # then
    assert answer.returncode == 0
    shown = json.loads(answer.stdout)
    assert list(shown) == ["url", "processes"]
    assert [list(row) for row in shown["processes"]] == [["name", "kind", "pid", "port", "state", "role"]] * 2


def test_up_twice_shows_what_runs(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # given
        before = stack.status()

        # when
        answer = bookstore("up", "--detach")

        # then
        assert answer.returncode == 0, answer.stderr
        assert "It is running already." in answer.stdout
        assert f"curl -s '{profile.url}/api/v1/books?limit=3'" in answer.stdout
        assert stack.status() == before


def test_up_waits_for_another_run_that_does_not_listen_yet(profile: Profile) -> None:
    # given a run that has the folder, and nothing more
    profile.make_folders()
    attempts = set[int]()
    with (profile.run / "lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, "-c", UP, profile.to_json(), "up", "--detach"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        ) as up:

            def gave_up_or_tried_again() -> bool:
                attempts.update(child.pid for child in psutil.Process(up.pid).children())
                return len(attempts) > 1 or up.poll() is not None

            eventually(gave_up_or_tried_again, what="a second attempt")

            # when
            fcntl.flock(other, fcntl.LOCK_UN)
            shown, complaints = up.communicate(timeout=60)

    # then
    assert (up.returncode, complaints) == (0, "")
    assert "Ready after" in shown
    assert bookstore("down").stdout == "Stopped.\n"


def test_down_stops_everything_and_wipe_deletes_the_data(profile: Profile) -> None:
    with running_stack(profile):
        # when
        answer = bookstore("down", "--wipe")

        # then
        assert (answer.returncode, answer.stdout) == (0, "Stopped.\nIts data is deleted.\n")
        assert left_processes(profile.folder) == []
        assert not profile.folder.exists()


def test_faults_and_logs_speak_of_processes_by_name(profile: Profile) -> None:
    with running_stack(profile):
        # when
        killed = bookstore("fault", "kill", "redis-cache")
        restarted = bookstore("restart", "redis-cache")
        log = bookstore("logs", "redis-cache")
        unknown = bookstore("logs", "../secrets")

    # then
    assert (killed.returncode, killed.stdout) == (0, "redis-cache: killed\n")
    assert (restarted.returncode, restarted.stdout) == (0, "redis-cache: restarted\n")
    assert log.stdout.count("Ready to accept connections") == 2
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("bookstore: there is no log of '../secrets'; there are: redis-broker, redis-cache")


def test_an_audit_without_databases_is_no_verdict(profile: Profile) -> None:
    # given a system without any
    with running_stack(profile):
        # when
        answer = bookstore("audit")

    # then
    assert answer.returncode == UNKNOWN
    assert answer.stderr.startswith(
        "bookstore: the audit can't read the databases; once ./bookstore status shows a primary, run it again ("
    )
    assert len(answer.stderr.splitlines()) == 1


def test_an_audit_of_nothing_is_no_verdict(state: Path) -> None:
    # when
    answer = bookstore("audit")

    # then
    assert answer.returncode == UNKNOWN
    assert answer.stderr == "bookstore: nothing is running here; start it with: ./bookstore up\n"


def test_a_missing_database_server_is_named(profile: Profile) -> None:
    # given
    with_databases = dataclasses.replace(profile, parts=("mongod", "redis"))

    # when
    answer = subprocess.run(
        [sys.executable, "-c", UP, with_databases.to_json(), "up", "--detach"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "MONGOD": "/nowhere/mongod"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    # then
    assert answer.returncode == 1
    assert answer.stderr.endswith(
        "/nowhere/mongod can't be run (No such file or directory); name a mongod of version 6 or newer in MONGOD\n"
    )
    assert left_processes(profile.folder) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount the small disk that this fills")
def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path) -> None:
    # given
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], check=True)
    try:
        # when
        answer = bookstore("up", "--detach", BOOKSTORE_STATE=str(tmp_path))

        # then
        assert answer.returncode == 1
        assert answer.stderr.startswith(f"bookstore: the disk that holds {tmp_path}/up has ")
        assert answer.stderr.endswith("; make room, or name another folder in BOOKSTORE_STATE\n")
        assert len(answer.stderr.splitlines()) == 1
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "bookstore: BOOKSTORE_TLS_CERT names {file}, which can't be read: "),
        (
            "no certificate",
            "bookstore: BOOKSTORE_TLS_CERT names {file}, which doesn't hold both a certificate and its key; ",
        ),
    ],
)
def test_a_useless_certificate_is_explained(state: Path, held: str | None, said: str) -> None:
    # given
    file = state / "shop.pem"
    if held is not None:
        file.write_text(held)

    # when
    answer = bookstore("up", "--detach", BOOKSTORE_TLS_CERT=str(file))

    # then
    assert answer.returncode == 1
    assert answer.stderr.startswith(said.format(file=file))
    assert len(answer.stderr.splitlines()) == 1


def test_a_certificate_with_another_ones_key_is_explained(state: Path) -> None:
    # given
    certificate = self_signed(state / "shop.pem").read_text().partition("-----BEGIN PRIVATE KEY-----")[0]
    key = self_signed(state / "other.pem").read_text().partition("-----BEGIN PRIVATE KEY-----")
    (state / "shop.pem").write_text(certificate + "".join(key[1:]))

    # when
    answer = bookstore("up", "--detach", BOOKSTORE_TLS_CERT=str(state / "shop.pem"))

    # then
    assert answer.returncode == 1
    assert answer.stderr.startswith("bookstore: haproxy refuses ")
    assert "shop.pem" in answer.stderr


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("https", "is 'https'; it must be a port's number, such as 8443"),
        ("0", "is '0'; it must be a port's number, such as 8443"),
        ("8080", "is 8080, where haproxy listens; choose another one"),
    ],
)
def test_a_port_for_tls_is_one_of_its_own(state: Path, port: str, said: str) -> None:
    # when
    answer = bookstore("up", "--detach", BOOKSTORE_TLS_CERT=str(state / "shop.pem"), BOOKSTORE_TLS_PORT=port)

    # then
    assert answer.returncode == 1
    assert answer.stderr == f"bookstore: BOOKSTORE_TLS_PORT {said}\n"


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= LOW_PORT,
    reason="anybody may take it here",
)
def test_a_port_that_only_root_may_take_is_refused(state: Path) -> None:
    # given somebody who isn't root as far as ports are concerned
    nobody = ["setpriv", "--bounding-set", "-net_bind_service", "--"] if os.getuid() == 0 else []

    # when
    answer = subprocess.run(
        [*nobody, sys.executable, "-m", "stack", "up", "--detach", "--port", str(LOW_PORT)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    # then
    assert answer.returncode == 1
    assert answer.stderr == f"bookstore: port {LOW_PORT}, which haproxy needs, is root's; choose one from 1024 on\n"


def test_a_port_of_its_own_is_refused(state: Path) -> None:
    # when
    answer = bookstore("up", "--detach", "--port", "27101")

    # then
    assert answer.returncode == 1
    assert answer.stderr == "bookstore: port 27101 is what mongo-1 listens on; choose another one\n"
