"""A run whose profile can't be read: a full disk cut it off, or another version wrote it."""

import pytest

from stack.leftovers import left_processes
from stack.profile import Profile
from stack.running import running_stack
from tests.stack.command import bookstore

SPOILT = ["", '{"name": "up", "fold', "[]", "{}", '{"folder": "up", "ports": {}, "parts": [], "colour": "red"}']


@pytest.mark.parametrize("text", SPOILT)
def test_a_spoilt_profile_of_an_earlier_run_is_no_obstacle(profile: Profile, text: str) -> None:
    # given
    profile.make_folders()
    (profile.run / "profile.json").write_text(text)

    # when
    answers = [bookstore("status"), bookstore("token"), bookstore("down")]

    # then
    assert [answer.returncode for answer in answers] == [1, 1, 0]
    assert (
        answers[0].stderr == answers[1].stderr == "bookstore: nothing is running here; start it with: ./bookstore up\n"
    )
    assert (answers[2].stdout, answers[2].stderr) == ("Nothing was running.\n", "")


def test_what_runs_on_a_spoilt_profile_is_explained_and_goes_down(profile: Profile) -> None:
    # given
    with running_stack(profile):
        (profile.run / "profile.json").write_text(SPOILT[-1])

        # when
        answers = [bookstore("status"), bookstore("down")]

    # then
    assert [answer.returncode for answer in answers] == [1, 0]
    assert answers[0].stderr.startswith(
        "bookstore: what runs here was started by another version, or its disk was full: "
    )
    assert answers[0].stderr.endswith("; run ./bookstore down, then ./bookstore up\n")
    assert answers[1].stdout == "Stopped.\n"
    assert left_processes(profile.folder) == []
