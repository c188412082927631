"""Drives `wrk`: the same script for everybody who is measured, so that its cost is the same, too."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stack.errors import StackError

REQUESTS: Final = Path(__file__).with_name("requests.lua")
_RESULT: Final = "result "
_PATIENT: Final = ("chrt", "--batch", "0")
"""Linux lets a task that wakes up take the processor from the one at work. wrk, woken by each answer, would so stop
the server that it measures a quarter of a million times a second, which no client on a machine of its own can."""


@dataclass(frozen=True)
class Sample:
    """What one run of wrk saw; `failed` counts answers from 400 on and lost connections.

    Of these `shed` are refusals that say when to come again, where the script looks for them.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    requests: int
    failed: int
    shed: int = 0


@dataclass(frozen=True)
class Asked:
    """A path, and the ETag that the client has."""

    path: str
    etag: str = ""


def write_requests(file: Path, asked: Iterable[Asked]) -> Path:
    """Write what wrk is to ask for, in turn."""
    file.write_text("".join(f"{one.path}\t{one.etag}\n" for one in asked), encoding="utf-8")
    return file


def run_wrk(
    url: str,
    requests: Path,
    *,
    seconds: float,
    connections: int,
    threads: int,
    script: Path = REQUESTS,
    arguments: Sequence[str] = (),
) -> Sample:
    """Send the requests for so long, as the script reads them; it is given further arguments, too.

    Raises:
        StackError: wrk didn't run.
    """
    command = [
        *_PATIENT, "wrk", f"-t{threads}", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout=15s",
        "--latency", "-s", str(script), url, "--", str(requests), *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    results = [line.removeprefix(_RESULT) for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    if not results:
        raise StackError(f"wrk failed: {(done.stderr or done.stdout).strip()[:300]}")
    said = json.loads(results[0])
    return Sample(
        per_second=said["requests"] / said["seconds"],
        p50_ms=said["p50_ms"],
        p99_ms=said["p99_ms"],
        requests=said["requests"],
        failed=said["failed"],
        shed=said.get("shed", 0),
    )
