import pytest

from stack.load.history import WRITES, Gap, History, Kind, Repeat, Sample, percentile
from stack.load.journeys import quantile


def write(ended: float, *, succeeded: bool = True) -> Sample:
    return Sample(Kind.CREATE, ended - 0.1, ended, "201" if succeeded else "503", succeeded)


def test_a_gap_is_the_longest_time_without_an_acknowledged_write() -> None:
    # given: reads and failures don't end a gap, a successful repeat does
    history = History(
        samples=[
            *(write(1.0), write(2.0), write(3.0, succeeded=False), write(9.0)),
            Sample(Kind.HOT, 3.9, 4.0, "200", succeeded=True),
        ],
        repeats=[Repeat(Kind.CREATE, 2.9, "503", tries=2, settled="done", settled_at=5.0)],
    )

    # then
    assert history.longest_gap(WRITES, begin=0.0, end=10.0) == Gap(5.0, 9.0)
    assert history.longest_gap(WRITES, begin=0.0, end=30.0) == Gap(9.0, 30.0)
    assert history.longest_gap({Kind.STOCK}, begin=1.0, end=4.0).seconds == 3.0


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0), (0.01, 1.0)])
def test_percentiles_are_by_nearest_rank(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
    assert quantile({"1": 1, "2": 1, "3": 1, "4": 1}, share) == value


def test_nothing_has_a_percentile_of_zero() -> None:
    assert percentile([], 0.5) == 0.0
    assert quantile({}, 0.5) == 0.0


def test_failures_are_grouped_with_what_their_repeats_said() -> None:
    # given
    history = History(
        repeats=[
            Repeat(Kind.PRICE, 1.0, "503 no_primary", tries=3, settled="done", settled_at=4.0),
            Repeat(Kind.PRICE, 1.2, "503 no_primary", tries=2, settled="done", settled_at=4.0),
            Repeat(Kind.PRICE, 1.3, "503 no_primary", tries=9, settled=None, settled_at=99.0),
        ]
    )

    # then
    [group] = history.failures()
    assert (group.kind, group.outcome, group.on_repeat) == (
        Kind.PRICE,
        "503 no_primary",
        {"done": 2, "no answer": 1},
    )
