"""A replica of the system that runs the tests, asked to drain, and to serve on after all."""

import os
import signal
from pathlib import Path

import httpx

from stack.running import Stack
from tests.stack.conditions import eventually


def test_a_drain_can_be_taken_back() -> None:
    # given
    stack = Stack.running_in(Path(os.environ["BOOKSTORE_STATE_PROFILE"]))
    [replica, *_] = [process for process in stack.status()["processes"] if process["kind"] == "api"]
    with httpx.Client(base_url=f"http://127.0.0.1:{replica['port']}", trust_env=False) as client:
        # when
        os.kill(replica["pid"], signal.SIGUSR1)
        eventually(lambda: client.get("/readyz").status_code == 503, what="draining")
        os.kill(replica["pid"], signal.SIGUSR2)

        # then
        eventually(lambda: client.get("/readyz").status_code == 200, what="serving on")
