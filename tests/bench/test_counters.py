from collections import Counter

from bench.counters import Readings, growth, quantile


def _histogram(*counts: tuple[str, float]) -> Readings:
    readings: Readings = Counter()
    for limit, count in counts:
        readings["wait_bucket", (("le", limit),)] = count  # type: ignore[assignment]  # a Counter of floats
    return readings


def test_a_quantile_lies_on_a_line_within_its_bucket() -> None:
    # given
    before = _histogram(("0.1", 10), ("0.2", 10), ("+Inf", 10))
    after = _histogram(("0.1", 15), ("0.2", 20), ("+Inf", 20))

    # then
    assert quantile(before, after, "wait", 0.25) == 0.05
    assert round(quantile(before, after, "wait", 0.75) or 0, 6) == 0.15


def test_nothing_observed_has_no_quantile() -> None:
    same = _histogram(("0.1", 10), ("+Inf", 10))
    assert quantile(same, same, "wait", 0.5) is None


def test_growth_adds_up_what_the_labels_leave_open() -> None:
    # given
    before: Readings = Counter({("hits", (("proxy", "a"),)): 1})
    after: Readings = Counter({("hits", (("proxy", "a"),)): 4, ("hits", (("proxy", "b"),)): 7})

    # then
    assert growth(before, after, "hits") == 10
    assert growth(before, after, "hits", proxy="a") == 3
