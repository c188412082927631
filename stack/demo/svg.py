"""Draws a failover as an inline SVG: who was primary, what was answered, and how long each request took."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from stack.demo.report import BIN_SECONDS, Report

WIDTH = 1080
_LEFT, _RIGHT = 74, 1064
_NODES_TOP, _ROW = 64, 24
_WRITES_TOP, _READS_TOP, _LATENCY_TOP = 172, 306, 440
_BARS_HIGH, _LATENCY_HIGH = 96, 232
_BOTTOM = _LATENCY_TOP + _LATENCY_HIGH
HEIGHT = _BOTTOM + 46
_FASTEST_MS, _SLOWEST_MS = 0.5, 20_000.0
_LABEL_ROOM = 190


@dataclass(frozen=True)
class Scale:
    """Where a moment of the run lies on the picture."""

    seconds: float

    def x(self, moment: float) -> float:
        """The horizontal place, in pixels."""
        inside = min(max(moment, 0.0), self.seconds)
        return _LEFT + (_RIGHT - _LEFT) * inside / self.seconds


def draw(report: Report) -> str:
    """The picture as an `<svg>` element; its colours are CSS variables of the page that it stands in."""
    scale = Scale(report.seconds)
    parts = [
        *_gap(report, scale),
        *_nodes(report, scale),
        *_answers(
            "writes acknowledged",
            [(one.at, one.writes, one.failed_writes) for one in report.bins],
            top=_WRITES_TOP,
            css="write",
            scale=scale,
        ),
        *_answers(
            "reads answered",
            [(one.at, one.reads, one.failed_reads) for one in report.bins],
            top=_READS_TOP,
            css="hot",
            scale=scale,
        ),
        *_latencies(report, scale),
        *_moments(report, scale),
        *_seconds(scale),
    ]
    title = escape(f"{report.victim} was {report.what_happened}")
    body = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n{body}\n</svg>'


def _text(x: float, y: float, text: str, css: str = "label", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(text)}</text>'


def _box(left: float, top: float, width: float, height: float, *, css: str, tip: str = "") -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" width="{max(width, 0.0):.1f}" height="{max(height, 0.0):.1f}"'
    return f'<rect {place} class="{css}">{f"<title>{escape(tip)}</title>" if tip else ""}</rect>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def _gap(report: Report, scale: Scale) -> Iterator[str]:
    left, right = scale.x(report.gap.begin), scale.x(report.gap.end)
    yield _box(left, _WRITES_TOP - 6, right - left, _BOTTOM - _WRITES_TOP + 6, css="gap")
    yield _text((left + right) / 2, _WRITES_TOP + 44, f"{report.gap.seconds:.2f} s", "gap-label", "middle")


def _nodes(report: Report, scale: Scale) -> Iterator[str]:
    for row, node in enumerate(sorted({span.node for span in report.roles})):
        top = _NODES_TOP + row * _ROW
        yield _text(_LEFT - 8, top + 14, node, "label", "end")
        for span in report.roles:
            if span.node == node and span.begin < report.seconds:
                left, right = scale.x(span.begin), scale.x(span.end)
                yield _box(left, top, right - left - 1, _ROW - 5, css=span.role, tip=f"{node}: {span.role}")
                if right - left > 60:  # noqa: PLR2004  the word fits
                    yield _text(left + 6, top + 14, span.role, f"on-{span.role}")


def _answers(name: str, rows: Iterable[tuple[float, int, int]], *, top: float, css: str, scale: Scale) -> Iterator[str]:
    bins = list(rows)
    most = _round_up(max([good + bad for _, good, bad in bins], default=1) / BIN_SECONDS)
    bottom = top + _BARS_HIGH
    for share in (0.5, 1.0):
        y = bottom - _BARS_HIGH * share
        yield _line(_LEFT, y, _RIGHT, y, "grid")
        yield _text(_LEFT - 8, y + 4, f"{most * share:g}", "tick", "end")
    yield _text(_LEFT, top - 10, f"{name}, per second", "heading")
    for at, good, bad in bins:
        left, right = scale.x(at), scale.x(at + BIN_SECONDS)
        per_pixel = _BARS_HIGH / most / BIN_SECONDS
        tip = f"{at:g} to {at + BIN_SECONDS:g} s: {good} succeeded, {bad} failed"
        yield _box(left, bottom - good * per_pixel, right - left - 1, good * per_pixel, css=css, tip=tip)
        if bad:
            yield _box(
                left, bottom - (good + bad) * per_pixel, right - left - 1, bad * per_pixel, css="failed", tip=tip
            )
    yield _line(_LEFT, bottom, _RIGHT, bottom, "axis")


def _latencies(report: Report, scale: Scale) -> Iterator[str]:
    yield _text(
        _LEFT, _LATENCY_TOP - 10, "time to the answer, from when the request was due; each dot is one", "heading"
    )
    for milliseconds, text in ((1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (1000, "1 s"), (10_000, "10 s")):
        y = _height(milliseconds)
        yield _line(_LEFT, y, _RIGHT, y, "grid")
        yield _text(_LEFT - 8, y + 4, text, "tick", "end")
    groups = {"hot read": "hot", "watched read": "cold", "cold read": "cold"}
    for dot in sorted(report.dots, key=lambda one: (not one.succeeded, groups.get(one.kind, "write") == "write")):
        css = groups.get(dot.kind, "write") if dot.succeeded else "failed"
        place = f'cx="{scale.x(dot.due):.1f}" cy="{_height(dot.latency_ms):.1f}"'
        yield f'<circle {place} r="1.9" class="{css} dot"/>'
    legend = (
        ("write", "writes"),
        ("cold", "other reads"),
        ("hot", "cached reads"),
        ("failed", "failed at first"),
    )
    x = float(_RIGHT)
    for css, text in reversed(legend):
        x -= 7 * len(text)
        yield _text(x, _LATENCY_TOP - 10, text, "tick")
        yield f'<circle cx="{x - 9:.1f}" cy="{_LATENCY_TOP - 14}" r="4" class="{css}"/>'
        x -= 28
    yield _line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")


def _moments(report: Report, scale: Scale) -> Iterator[str]:
    last = -math.inf
    row = 0
    for event in sorted(report.events, key=lambda one: one.at):
        x = scale.x(event.at)
        row = row + 1 if x - last < _LABEL_ROOM else 0
        last = x
        y = 14 + 15 * (row % 3)
        yield _line(x, y + 4, x, _BOTTOM, f"moment {event.what}")
        fits = x < _RIGHT - _LABEL_ROOM
        yield _text(
            x + (5 if fits else -5), y, f"{event.at:.1f} s  {event.text}", "moment-label", "start" if fits else "end"
        )


def _seconds(scale: Scale) -> Iterator[str]:
    step = next(size for size in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, math.inf) if scale.seconds / size <= 14)  # noqa: PLR2004  ticks that have room
    moment = 0.0
    while moment <= scale.seconds:
        yield _text(scale.x(moment), _BOTTOM + 18, f"{moment:g}", "tick", "middle")
        moment += step
    yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 38, "seconds since the load began", "tick", "middle")


def _height(milliseconds: float) -> float:
    inside = min(max(milliseconds, _FASTEST_MS), _SLOWEST_MS)
    share = math.log(inside / _FASTEST_MS) / math.log(_SLOWEST_MS / _FASTEST_MS)
    return _BOTTOM - _LATENCY_HIGH * share


def _round_up(number: float) -> float:
    """The next number that reads well on an axis."""
    size = 10.0 ** math.floor(math.log10(max(number, 1)))
    return next(step * size for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if step * size >= number)
