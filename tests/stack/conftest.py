import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.profile import REPOSITORY, Profile, state_folder, throwaway_profile


@pytest.fixture(autouse=True)
def _no_chosen_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the command line means the profiles that tests make, not the one that they run in."""
    monkeypatch.delenv("BOOKSTORE_PROFILE", raising=False)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own state folder, so that no other run is seen or touched."""
    monkeypatch.setenv("BOOKSTORE_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def profile(state: Path) -> Profile:
    """Nothing but the two Redis: enough to supervise, quick to start."""
    whole = throwaway_profile("up", folder=state / "up", first_port=21000)
    return dataclasses.replace(whole, parts=("redis",), starter_books=False)


@pytest.fixture(scope="session")
def mongosh() -> str:
    """The real mongosh, installed from its lock file where it isn't there yet."""
    if shutil.which("npm") is None:
        pytest.fail("npm is missing; type: sudo apt-get install -y npm")
    folder = state_folder() / "mongosh"
    program = folder / "node_modules" / ".bin" / "mongosh"
    lock = REPOSITORY / "mongo" / "package-lock.json"
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "mongo" / "package.json", folder)
        shutil.copy(lock, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, env=os.environ, check=True, capture_output=True)
        stamp.write_bytes(lock.read_bytes())
    return str(program)
