import os
import signal
import subprocess
import sys
from pathlib import Path

from stack.leftovers import left_processes
from stack.profile import REPOSITORY, Profile
from tests.stack.command import UP

INTERRUPTED = 128 + signal.SIGINT

# Ctrl-C while the command line is still being loaded; whoever runs the tests may let us inherit that it is ignored.
WHILE_IT_LOADS = """
import os, runpy, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)

class InTheMiddle:
    def find_spec(self, name, *_):
        if name == "stack.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, InTheMiddle())
runpy.run_module("stack", run_name="__main__")
"""


def test_ctrl_c_stops_everything(profile: Profile) -> None:
    # given
    with subprocess.Popen(
        [sys.executable, "-c", UP, profile.to_json(), "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as up:
        try:
            assert up.stdout is not None
            assert any("Ctrl-C stops everything" in line for line in up.stdout)
            assert len(left_processes(profile.folder)) == 2

            # when
            up.send_signal(signal.SIGINT)
            rest, complaints = up.communicate(timeout=60)
        finally:
            up.kill()

    # then
    assert up.returncode == 0
    assert rest.endswith("Stopped.\n")
    assert complaints == ""
    assert left_processes(profile.folder) == []


def test_ctrl_c_before_everything_runs_is_no_success(profile: Profile, tmp_path: Path) -> None:
    # given a Redis that never gets ready
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "redis-server").write_text("#!/bin/sh\nexec sleep 300\n")
    (programs / "redis-server").chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", UP, profile.to_json(), "up", "--detach"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": f"{programs}:{os.environ['PATH']}"},
    ) as up:
        try:
            assert up.stdout is not None
            assert any("Starting the databases" in line for line in up.stdout)

            # when
            up.send_signal(signal.SIGINT)
            rest, _ = up.communicate(timeout=60)
        finally:
            up.kill()

    # then
    assert up.returncode == INTERRUPTED
    assert rest.endswith("Stopped.\n")
    assert left_processes(profile.folder) == []


def test_ctrl_c_while_it_loads_leaves_no_traceback() -> None:
    # when
    answer = subprocess.run(
        [sys.executable, "-c", WHILE_IT_LOADS],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # then
    assert (answer.returncode, answer.stdout, answer.stderr) == (-signal.SIGINT, "", "")
