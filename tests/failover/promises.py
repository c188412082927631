"""What holds in every run, whatever was broken."""

from stack.load.history import Kind
from stack.load.run import Run

READS = frozenset({Kind.HOT, Kind.WATCHED, Kind.COLD})


def failed_reads(run: Run) -> list[tuple[float, str, str]]:
    return [(one.due, one.kind.value, one.outcome) for one in run.history.of(READS, succeeded=False)]


def failed_requests(run: Run) -> list[tuple[float, str, str]]:
    return [(one.due, one.kind.value, one.outcome) for one in run.history.samples if not one.succeeded]


def assert_promises_kept(run: Run) -> None:
    """Nothing acknowledged is lost or doubled on any node, no read is stale, and every repeat found out."""
    assert run.audit.lost == []
    assert run.audit.doubled == []
    assert [node.found for node in run.audit.nodes] == [run.audit.acknowledged] * 3
    assert run.history.stale == []
    assert run.history.broken_promises == []
    assert {repeat.settled for repeat in run.history.repeats} <= {"done"}
    assert run.audit.acknowledged == sum(one.kind.is_write for one in run.history.samples) > 0
    assert run.history.checked_reads > 0
