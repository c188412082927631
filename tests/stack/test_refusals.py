import subprocess
from pathlib import Path

import pytest

from stack.profile import REPOSITORY
from tests.stack.command import bookstore


@pytest.mark.parametrize("command", [["demo", "failover"], ["demo", "checkout-failover"], ["bench", "drivers"]])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    state: Path, tmp_path: Path, command: list[str]
) -> None:
    # when
    nowhere = bookstore(*command, "--seconds", "8", "--json", str(tmp_path / "nowhere" / "numbers.json"))
    folder = bookstore(*command, "--seconds", "8", "--json", str(tmp_path))

    # then
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert f"There is no folder '{tmp_path}/nowhere'." in nowhere.stderr
    assert (folder.returncode, folder.stdout) == (2, "")
    assert "is a directory" in folder.stderr


def test_a_state_folder_that_cannot_be_written_is_explained_in_one_sentence(state: Path) -> None:
    # given: not even root can write to a file that is a folder
    (state / "setup.lock").mkdir()

    # when
    answer = subprocess.run(
        [REPOSITORY / "bookstore", "status"], capture_output=True, text=True, timeout=60, check=False
    )

    # then
    assert answer.returncode == 1
    assert answer.stderr == (
        f"bookstore: {state} cannot be written to. Make it writable, or name another in BOOKSTORE_STATE.\n"
    )
