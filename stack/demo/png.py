"""Draws a failover as a PNG, for places where no HTML goes."""

from pathlib import Path

from stack.demo.html import headline
from stack.demo.report import BIN_SECONDS, Report

_COLOURS = {"write": "#0b7a6b", "hot": "#4c78c8", "cold": "#b0803a", "failed": "#d0312d", "soft": "#666c78"}
_ROLES = {"primary": "#0b7a6b", "secondary": "#cfd6e1"}
_GROUPS = {"hot read": "hot", "watched read": "cold", "cold read": "cold"}
_NAMES = {"hot": "cached reads", "cold": "other reads", "write": "writes", "failed": "failed at first"}


def write_png(report: Report, file: Path) -> None:
    """The same picture as the page has."""
    from matplotlib.figure import Figure  # noqa: PLC0415  half a second, for this alone

    figure = Figure(figsize=(12, 8), dpi=130, facecolor="#fbfaf7", layout="constrained")
    nodes, writes, reads, latency = figure.subplots(4, 1, sharex=True, height_ratios=(0.8, 1, 1, 2.2))
    figure.suptitle(_title(report), x=0.01, ha="left", fontsize=15, fontweight="bold")
    for axes in (nodes, writes, reads, latency):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=_COLOURS["soft"])
        axes.axvline(report.fault_at, color=_COLOURS["failed"], linewidth=1.4)
        for event in report.events:
            axes.axvline(event.at, color="#1d2026", linewidth=0.7, linestyle=":")
    for axes in (writes, reads, latency):
        axes.axvspan(report.gap.begin, report.gap.end, color="#f6c945", alpha=0.28, linewidth=0)

    names = sorted({span.node for span in report.roles}, reverse=True)
    for span in report.roles:
        if span.role in _ROLES:
            width = min(span.end, report.seconds) - span.begin
            nodes.barh(names.index(span.node), width, left=span.begin, height=0.7, color=_ROLES[span.role])
    nodes.set_yticks(range(len(names)), names)
    nodes.set_title("primary (dark), secondary (light)", loc="left", fontsize=10)

    at = [one.at for one in report.bins]
    for axes, colour, good, bad, title in (
        (writes, "write", [b.writes for b in report.bins], [b.failed_writes for b in report.bins], "writes"),
        (reads, "hot", [b.reads for b in report.bins], [b.failed_reads for b in report.bins], "reads"),
    ):
        rates = [count / BIN_SECONDS for count in good]
        failed = [count / BIN_SECONDS for count in bad]
        axes.bar(at, rates, width=BIN_SECONDS * 0.9, align="edge", color=_COLOURS[colour])
        axes.bar(at, failed, width=BIN_SECONDS * 0.9, align="edge", bottom=rates, color=_COLOURS["failed"])
        axes.set_title(f"{title} answered, per second", loc="left", fontsize=10)
    middle = (report.gap.begin + report.gap.end) / 2
    top = writes.get_ylim()[1]
    writes.text(middle, top * 0.55, f"{report.gap.seconds:.2f} s", ha="center", fontsize=12, fontweight="bold")

    for group in ("hot", "cold", "write", "failed"):
        dots = [dot for dot in report.dots if (_GROUPS.get(dot.kind, "write") if dot.succeeded else "failed") == group]
        if dots:
            latency.scatter(
                [dot.due for dot in dots],
                [max(dot.latency_ms, 0.5) for dot in dots],
                s=14 if group == "failed" else 7,
                color=_COLOURS[group],
                alpha=0.65,
                linewidths=0,
                label=_NAMES[group],
            )
    latency.set_yscale("log")
    latency.set_yticks([1, 10, 100, 1000, 10_000], ["1 ms", "10 ms", "100 ms", "1 s", "10 s"])
    latency.set_title("time to the answer, from when the request was due", loc="left", fontsize=10)
    latency.set_xlabel("seconds since the load began", fontsize=9, color=_COLOURS["soft"])
    latency.set_xlim(0, report.seconds)
    latency.legend(loc="upper right", fontsize=9, frameon=False, ncols=4, markerscale=2)
    figure.savefig(file, format="png")


def _title(report: Report) -> str:
    counts = {check.name: check.count for check in report.checks}
    return (
        f"{headline(report)}\n"
        f"{report.acknowledged_writes:,} writes acknowledged: {counts['acknowledged writes lost']} lost, "
        f"{counts['writes doubled']} doubled; {counts['stale reads']} stale of {report.checked_reads:,} checked reads"
    )
