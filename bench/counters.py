"""Reads Prometheus counters and histograms, and what they grew by between two readings."""

import re
import urllib.request
from collections import Counter
from collections.abc import Iterable
from typing import Final

_LINE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')

Readings = Counter[tuple[str, tuple[tuple[str, str], ...]]]


def read_counters(urls: Iterable[str], *, prefix: str) -> Readings:
    """Return the values whose names begin so, added up over all addresses."""
    total: Readings = Counter()
    for url in urls:
        with urllib.request.urlopen(url, timeout=15) as answer:  # noqa: S310  our own address
            for line in answer.read().decode().splitlines():
                found = _LINE.match(line)
                if found and found[1].startswith(prefix):
                    labels = tuple(sorted(_LABEL.findall(found[2] or "")))
                    total[found[1], labels] += float(found[3])  # type: ignore[assignment]  # a Counter of floats
    return total


def growth(before: Readings, after: Readings, name: str, **labels: str) -> float:
    """Return by how much a counter grew, over all its labels but those given."""
    wanted = set(labels.items())
    return sum(value - before[key] for key, value in after.items() if key[0] == name and wanted <= set(key[1]))


def quantile(before: Readings, after: Readings, histogram: str, share: float) -> float | None:
    """Return a quantile of what a histogram observed in between, within its bucket by a straight line; None of nothing.

    As Prometheus' `histogram_quantile`.
    """
    buckets: Counter[float] = Counter()
    for (name, labels), value in after.items():
        if name == f"{histogram}_bucket":
            limit = float(dict(labels)["le"])
            buckets[limit] += value - before[name, labels]
    total = buckets.get(float("inf"), 0)
    if not total:
        return None
    floor, below = 0.0, 0.0
    for limit, count in sorted(buckets.items()):
        if count >= share * total:
            if limit == float("inf"):
                return floor
            return floor + (limit - floor) * (share * total - below) / max(count - below, 1)
        floor, below = limit, count
    return floor
