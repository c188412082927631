from pathlib import Path

import pytest

from stack.child import Child, State
from stack.processes import ProcessSpec


async def test_the_number_of_a_group_that_ended_is_never_signalled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a process that was killed: its number may be a stranger's now
    async def ready() -> bool:
        return True

    spec = ProcessSpec(name="a", kind="a", command=("sleep", "600"), port=None, log=tmp_path / "log", ready=ready)
    child = Child(spec, on_change=lambda _: None)
    await child.start()
    await child.kill()
    signalled: list[int] = []

    def killpg(group: int, _: int) -> None:
        signalled.append(group)
        raise ProcessLookupError

    monkeypatch.setattr("os.killpg", killpg)

    # when
    await child.stop()

    # then
    assert signalled == []
    assert (child.pid, child.state) == (None, State.STOPPED)
