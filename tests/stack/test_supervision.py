import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from stack.errors import NotRunningError, StackError
from stack.leftovers import left_processes
from stack.logs import LARGEST_LOG
from stack.profile import REPOSITORY, Profile
from stack.running import Stack, follow_start, launch, running_stack
from tests.stack.conditions import eventually


def process(stack: Stack, name: str) -> dict[str, Any]:
    return next(row for row in stack.status()["processes"] if row["name"] == name)


def answers(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(0.3)
        try:
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def test_status_names_each_process_and_the_file_says_the_same(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # when
        status = stack.status()

        # then
        assert status["url"] == f"http://127.0.0.1:{profile.ports.haproxy}"
        assert status["state"] == "ready"
        assert [{**row, "pid": row["pid"] > 1} for row in status["processes"]] == [
            {"name": name, "kind": "redis", "pid": True, "port": port, "state": "running", "role": None}
            for name, port in (("redis-cache", profile.ports.redis_cache), ("redis-broker", profile.ports.redis_broker))
        ]
        assert json.loads(profile.status_file.read_text()) == status
    assert [row["state"] for row in json.loads(profile.status_file.read_text())["processes"]] == ["stopped", "stopped"]


def test_what_dies_by_itself_is_started_again(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # given
        before = process(stack, "redis-cache")["pid"]

        # when
        os.kill(before, signal.SIGKILL)

        # then
        eventually(lambda: process(stack, "redis-cache")["pid"] not in {before, None}, what="a new process")
        eventually(lambda: process(stack, "redis-cache")["state"] == "running", what="its readiness")
        eventually(lambda: answers(profile.ports.redis_cache), what="an answer")


def test_what_dies_while_the_disk_takes_nothing_is_started_again_once_it_does(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # given folders where files would be written
        before = process(stack, "redis-cache")["pid"]
        log = profile.logs / "redis-cache.log"
        log.unlink()
        obstacles = [profile.run / "processes.draft", profile.status_file.with_suffix(".draft"), log]
        for obstacle in obstacles:
            obstacle.mkdir()

        # when
        os.kill(before, signal.SIGKILL)
        complaints = profile.logs / "supervisor.log"
        eventually(lambda: "redis-cache can't be started" in complaints.read_text(), what="a complaint")
        for obstacle in obstacles:
            obstacle.rmdir()

        # then
        eventually(lambda: process(stack, "redis-cache")["state"] == "running", what="its readiness")
        assert process(stack, "redis-cache")["pid"] not in {before, None}
        eventually(lambda: answers(profile.ports.redis_cache), what="an answer")
        eventually(lambda: json.loads(profile.status_file.read_text()) == stack.status(), what="the file's truth")


def test_a_log_that_could_not_be_shortened_is_shortened_later(profile: Profile) -> None:
    with running_stack(profile):
        # given
        log, obstacle = profile.logs / "redis-cache.log", profile.logs / "redis-cache.log.1"
        obstacle.mkdir()
        os.truncate(log, 2 * LARGEST_LOG)
        complaints = profile.logs / "supervisor.log"
        eventually(lambda: "a log stays long" in complaints.read_text(), what="a complaint")

        # when
        obstacle.rmdir()

        # then
        eventually(lambda: log.stat().st_size < LARGEST_LOG, what="a short log")


def test_what_a_fault_killed_stays_dead_until_it_is_restarted(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # when
        name = stack.fault("kill", "redis-cache")

        # then
        assert name == "redis-cache"
        dead = process(stack, "redis-cache")
        assert (dead["pid"], dead["state"]) == (None, "killed")
        assert not answers(profile.ports.redis_cache)
        with pytest.raises(StackError, match="redis-cache is dead already"):
            stack.fault("kill", "redis-cache")
        # The supervisor restarts another one in the meantime, and still not this one.
        other = process(stack, "redis-broker")["pid"]
        os.kill(other, signal.SIGKILL)
        eventually(lambda: process(stack, "redis-broker")["pid"] not in {other, None}, what="a new broker")
        assert process(stack, "redis-cache")["pid"] is None

        # when
        stack.fault("restart", "redis-cache")

        # then
        assert process(stack, "redis-cache")["state"] == "running"
        eventually(lambda: answers(profile.ports.redis_cache), what="an answer")


def test_a_hung_process_goes_on_where_it_was(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # given
        before = process(stack, "redis-cache")["pid"]

        # when
        stack.fault("stop", "redis-cache")

        # then
        assert not answers(profile.ports.redis_cache)
        assert process(stack, "redis-cache")["state"] == "hung"

        # when
        stack.fault("cont", "redis-cache")

        # then
        assert process(stack, "redis-cache") == {**process(stack, "redis-cache"), "pid": before, "state": "running"}
        eventually(lambda: answers(profile.ports.redis_cache), what="an answer")


def test_a_hung_process_is_stopped_with_the_rest(profile: Profile) -> None:
    # when
    with running_stack(profile) as stack:
        stack.fault("stop", "redis-cache")

    # then
    assert left_processes(profile.folder) == []


@pytest.mark.parametrize(
    ("fault", "target", "sentence"),
    [
        (
            "kill",
            "mongo-9",
            "there is no process 'mongo-9'; there are redis-cache, redis-broker, primary, secondary, api",
        ),
        ("kill", "primary", "there is no running primary at the moment"),
        ("cont", "redis-cache", "redis-cache isn't stopped"),
    ],
)
def test_an_impossible_fault_is_refused_in_a_sentence(profile: Profile, fault: str, target: str, sentence: str) -> None:
    with running_stack(profile) as stack:
        # when
        with pytest.raises(StackError) as refused:
            stack.fault(fault, target)

        # then
        assert str(refused.value) == sentence
        assert [row["state"] for row in stack.status()["processes"]] == ["running", "running"]


def test_a_taken_port_is_named_with_its_holder_and_nothing_is_left(profile: Profile) -> None:
    # given
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", profile.ports.redis_broker))
        holder.listen()

        # when
        with pytest.raises(StackError) as refused, running_stack(profile):
            pass

    # then
    sentence = str(refused.value)
    assert sentence.startswith(f"port {profile.ports.redis_broker}, which redis-broker needs, is taken by ")
    assert sentence.endswith(f"(pid {os.getpid()}); stop that, then run it again")
    assert left_processes(profile.folder) == []


def test_children_die_with_their_supervisor_and_the_next_start_works(profile: Profile) -> None:
    # given
    supervisor = launch(profile, leash=True)
    try:
        assert follow_start(supervisor, lambda _: None)
        assert len(left_processes(profile.folder)) == 2

        # when
    finally:
        supervisor.kill()
        supervisor.communicate()

    # then
    eventually(lambda: left_processes(profile.folder) == [], what="the children's end")
    with pytest.raises(NotRunningError):
        Stack.running_in(profile.folder)
    with running_stack(profile) as stack:
        assert [row["state"] for row in stack.status()["processes"]] == ["running", "running"]


def test_leftovers_are_ended_and_strangers_are_left_alone(profile: Profile) -> None:
    # given a process of an earlier run, and a stranger that got the pid which that run had written down
    mark = {**os.environ, "BOOKSTORE_STACK_FOLDER": str(profile.folder)}
    with (
        subprocess.Popen(["sleep", "600"], env=mark) as leftover,
        subprocess.Popen(["sleep", "600"]) as stranger,
    ):
        profile.make_folders()
        earlier = {
            "name": "redis-cache",
            "kind": "redis",
            "pid": stranger.pid,
            "port": 1,
            "state": "running",
            "role": None,
        }
        profile.status_file.write_text(json.dumps({"url": profile.url, "processes": [earlier]}))
        messages: list[dict[str, Any]] = []
        try:
            # when
            with running_stack(profile, listener=messages.append):
                pass

            # then
            assert leftover.wait(timeout=60) == -signal.SIGKILL
            assert stranger.poll() is None
            said = [message["text"] for message in messages if message["event"] == "progress"]
            assert said[0] == "Cleaned up 1 processes of an earlier run that ended badly"
        finally:
            leftover.kill()
            stranger.kill()


def test_a_leashed_system_stops_when_its_starter_dies(profile: Profile) -> None:
    # given
    program = (
        "import sys, time\n"
        "from stack.profile import Profile\n"
        "from stack.running import running_stack\n"
        "with running_stack(Profile.from_json(sys.argv[1])):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, profile.to_json()],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"ready\n"

        # when
        starter.kill()

    # then
    eventually(lambda: left_processes(profile.folder) == [], what="the end of everything")


def test_a_second_start_in_the_same_folder_leaves_the_first_alone(profile: Profile) -> None:
    with running_stack(profile) as stack:
        # given
        before = stack.status()

        # when
        with pytest.raises(StackError, match="another run uses"), running_stack(profile):
            pass

        # then
        assert stack.status() == before


async def test_stacks_start_and_stop_from_asynchronous_code_too(profile: Profile) -> None:
    async with running_stack(profile) as stack:
        assert stack.environment["BOOKSTORE_CACHE_URL"] == f"redis://127.0.0.1:{profile.ports.redis_cache}/0"
    assert left_processes(profile.folder) == []
