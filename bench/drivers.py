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
from bench.shop import open_shop, ten_thousand
from stack.display import errors
from stack.errors import StackError
from stack.profile import state_folder

FOLDER: Final = Path(__file__).parent / "motor"
NEW: Final = "PyMongo Async, Beanie 2"
OLD: Final = "Motor 3.7, Beanie 1.30"
BAR: Final = 1.0

Rates = dict[str, list[tuple[float, float]]]
"""Documents a second and microseconds of CPU for each, by how they were read: `one` or `page`."""


def drivers(*, seconds: float, rounds: int, command: str) -> Report:
    """Measure, and return the report."""
    machine = this_machine()
    pythons = {OLD: ("motor", _motor_python()), NEW: ("pymongo", Path(sys.executable))}
    rates: dict[str, Rates] = {name: {"one": [], "page": []} for name in pythons}
    with open_shop(ten_thousand()) as shop, progress_over(rounds * len(pythons)) as advance:
        for number in range(rounds):
            for name, (driver, python) in pythons.items():
                advance(f"round {number + 1} of {rounds}: {name}")
                environment = shop.stack.environment
                where = environment["BOOKSTORE_MONGO_URL"], environment["BOOKSTORE_MONGO_DATABASE"]
                for what, (rate, cpu) in _read(python, driver, *where, seconds=seconds).items():
                    rates[name][what].append((rate, cpu))
    ratio = {what: _ratio(rates[NEW][what], rates[OLD][what]) for what in ("one", "page")}
    return Report(
        title=f"Drivers: documents read a second, {rounds} rounds of {seconds:g} s each, 16 clients, one process",
        command=command,
        machine=machine,
        columns=("", "one by one", "ratio", "CPU µs each", "100 at a time", "ratio ", "CPU µs each "),
        rows=[_row(name, mine, ratio) for name, mine in rates.items()],
        bars=[
            Bar(f"{NEW} beside {OLD}, one by one", ratio["one"], at_least=BAR),
            Bar(f"{NEW} beside {OLD}, 100 at a time", ratio["page"], at_least=BAR),
        ],
        notes=[f"{OLD}: in a virtual environment of this benchmark's, from bench/motor/requirements.txt"],
        facts={"rates": rates},
    )


def _row(name: str, mine: Rates, ratio: dict[str, float]) -> list[Cell]:
    row: list[Cell] = [name]
    for what, taken in mine.items():
        shown = ratio[what] if name == NEW else None
        row += [median(rate for rate, _ in taken), shown, median(cpu for _, cpu in taken)]
    return row


def _ratio(mine: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> float:
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
