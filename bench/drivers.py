"""Measures the driver and Beanie that the shop uses beside those that it was first planned with."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

from bench.machine import this_machine
from bench.report import Bar, Cell, Report
from bench.rounds import progress_over
from bench.shop import Catalogue, open_shop, ten_thousand
from stack.display import errors
from stack.errors import StackError
from stack.profile import state_folder

FOLDER: Final = Path(__file__).parent / "motor"
NEW: Final = "PyMongo Async, Beanie 2"
OLD: Final = "Motor 3.7, Beanie 1.30"
BAR: Final = 1.0

_READ: Final = {"one": "one by one, 16 clients", "page": "100 at a time, 16 clients", "alone": "one by one, one client"}

Taken = list[tuple[float, float]]
"""Documents a second, and microseconds of CPU for each, round by round."""

Rates = dict[str, Taken]


def drivers(*, seconds: float, rounds: int, command: str, catalogue: Catalogue | None = None) -> Report:
    """Measure, and return the report."""
    machine = this_machine()
    pythons = {OLD: ("motor", _motor_python()), NEW: ("pymongo", Path(sys.executable))}
    rates: dict[str, Rates] = {name: {what: [] for what in _READ} for name in pythons}
    with open_shop(catalogue or ten_thousand()) as shop, progress_over(rounds * len(pythons)) as advance:
        for number in range(rounds):
            for name, (driver, python) in pythons.items():
                advance(f"round {number + 1} of {rounds}: {name}")
                environment = shop.stack.environment
                where = environment["BOOKSTORE_MONGO_URL"], environment["BOOKSTORE_MONGO_DATABASE"]
                for what, (rate, cpu) in _read(python, driver, *where, seconds=seconds).items():
                    rates[name][what].append((rate, cpu))
    ratio = {what: _ratio(rates[NEW][what], rates[OLD][what]) for what in _READ}
    return Report(
        title=f"Drivers: documents read a second, {rounds} rounds of {seconds:g} s each, one process",
        command=command,
        machine=machine,
        columns=("documents a second", "PyMongo, Beanie 2", "Motor, Beanie 1", "ratio", "CPU µs", "CPU µs (Motor)"),
        rows=[_row(what, rates[NEW][what], rates[OLD][what], ratio[what]) for what in _READ],
        bars=[Bar(f"{NEW} beside {OLD}, {name}", ratio[what], at_least=BAR) for what, name in _READ.items()],
        notes=[f"{OLD}: in a virtual environment of this benchmark's, from bench/motor/requirements.txt"],
        facts={"rates": rates},
    )


def _row(what: str, mine: Taken, theirs: Taken, ratio: float) -> list[Cell]:
    rates = [median(rate for rate, _ in taken) for taken in (mine, theirs)]
    return [_READ[what], *rates, ratio, *(median(cpu for _, cpu in taken) for taken in (mine, theirs))]


def _ratio(mine: Taken, theirs: Taken) -> float:
    return median(one / other for (one, _), (other, _) in zip(mine, theirs, strict=True))


def _motor_python() -> Path:
    """Return the Python of Motor's virtual environment, made where it isn't there yet."""
    lock = FOLDER / "requirements.txt"
    folder = state_folder() / "bench-motor-venv"
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text(encoding="ascii") == wanted):
        errors.print("making a virtual environment for Motor and the old Beanie, once", highlight=False)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([*pip, "--quiet", "--require-hashes", "-r", str(lock)])
        stamp.write_text(wanted, encoding="ascii")
    return python


def _read(python: Path, driver: str, url: str, database: str, *, seconds: float) -> dict[str, tuple[float, float]]:
    script = FOLDER / "read_documents.py"
    said = _run([str(python), str(script), driver, url, database, str(seconds)])
    return {what: (rate, cpu) for what, (rate, cpu) in json.loads(said).items()}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise StackError(f"{Path(command[0]).name} {command[1]} failed: {said[-1]}")
    return done.stdout
