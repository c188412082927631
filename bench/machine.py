"""Says how large the machine is, and how busy it was with other things."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from stack.errors import StackError

_WRK: Final = "sudo apt-get install -y --no-install-recommends wrk"


@dataclass(frozen=True)
class Machine:
    """What a number means something beside."""

    cores: int
    processor: str
    memory_gib: float
    load: float
    python: str
    haproxy: str

    def sentence(self) -> str:
        """Return it for people."""
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gib:.0f} GiB; load before {self.load:.1f};"
            f" Python {self.python}, HAProxy {self.haproxy}"
        )


def this_machine() -> Machine:
    """Look at the machine before anything is started."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in information if line.startswith("model name")]
    version = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=False).stdout.split()
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=names[0] if names else platform.machine(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load=round(os.getloadavg()[0], 1),
        python=platform.python_version(),
        haproxy=version[2] if len(version) > 2 else "unknown",  # noqa: PLR2004  "HAProxy version X"
    )


def require_wrk() -> None:
    """Make sure that the load generator is there; root gets it installed.

    Raises:
        StackError: it is missing, with the command that installs it.
    """
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", "wrk"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, env=quiet, capture_output=True, check=False)
    if not shutil.which("wrk"):
        raise StackError(f"the load generator wrk is missing; type: sudo apt-get update && {_WRK}")
