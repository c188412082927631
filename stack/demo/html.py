"""Writes a failover's report as one HTML page that opens from disk."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from stack.demo.report import Report
from stack.demo.svg import draw

_STYLE = Path(__file__).with_name("page.css")


def write_html(report: Report, file: Path) -> None:
    """The picture and the verdict, in light or dark as the reader's system has it."""
    file.write_text(_page(report), encoding="utf-8")


def headline(report: Report) -> str:
    """The outcome in one sentence."""
    happened = f"The database's primary was {report.what_happened.split(' (')[0]}"
    if not report.holds:
        return f"{happened}, and a promise broke."
    noticed = "no request failed" if not report.failed else "nothing was lost"
    return f"{happened}, and {noticed}."


def _page(report: Report) -> str:
    lead = (
        f"{report.victim} was {report.what_happened} after {report.fault_at:.1f} s, under {report.rate:g} requests "
        "a second through the load balancer: cached reads, reads past every cache, and writes that each bear a mark of "
        "their own. Requests are sent on time whether answers come or not; a late answer counts from when the request "
        "was due."
    )
    command = f"./bookstore demo failover --fault {report.fault} --seconds {report.seconds:g} --rate {report.rate:g}"
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(headline(report))}</title>
<style>{_STYLE.read_text(encoding="utf-8")}</style>
<main>
<h1>{escape(headline(report))}</h1>
<p class="lead">{escape(lead)}</p>
<div class="tiles">{"".join(_tiles(report))}</div>
<figure>{draw(report)}</figure>
<h2>What had to hold</h2>
{_checks(report)}
<h2>Requests</h2>
{_kinds(report)}
<h2>Failed at first, and what the repeat with the same key said</h2>
{_failures(report)}
<h2>Each node's own copy</h2>
{_nodes(report)}
<footer>{escape(report.began_at)}, {escape(report.machine)}, everything on the one machine.
<code>{escape(command)}</code></footer>
</main>
</html>
"""


def _tiles(report: Report) -> Iterable[str]:
    lost, doubled, stale = report.checks[:3]
    election = report.election_seconds
    yield _tile(f"{report.gap.seconds:.2f} s", "longest time without an acknowledged write")
    if election is not None:
        yield _tile(f"{election:.2f} s", "until another node could take writes")
    yield _tile(f"{report.acknowledged_writes:,}", "writes acknowledged")
    yield _tile(f"{lost.count:,}", "of them lost, on any node", good=lost.holds)
    yield _tile(f"{doubled.count:,}", "took effect twice", good=doubled.holds)
    yield _tile(f"{stale.count:,}", f"stale, of {report.checked_reads:,} checked reads", good=stale.holds)
    yield _tile(f"{report.failed:,}", "requests failed at first", good=None if report.failed else True)


def _tile(number: str, text: str, *, good: bool | None = None) -> str:
    css = {True: " good", False: " bad", None: ""}[good]
    return f'<div class="tile{css}"><b>{escape(number)}</b><span>{escape(text)}</span></div>'


def _checks(report: Report) -> str:
    rows = [(check.name, f"{check.count:,}", "0", _verdict(check.holds, "holds", "broken")) for check in report.checks]
    rows += [
        (bar.name, f"{bar.value:g} {bar.unit}", f"{bar.limit:g} {bar.unit}", _verdict(bar.is_met, "met", "missed"))
        for bar in report.bars
    ]
    details = "".join(f"<li>{escape(detail)}</li>" for detail in report.details)
    return _table(("", "seen", "allowed", ""), rows) + (f"<ul>{details}</ul>" if details else "")


def _verdict(good: bool, yes: str, no: str) -> str:  # noqa: FBT001  two words and which of them
    return f'<span class="{"met" if good else "missed"}">{yes if good else no}</span>'


def _kinds(report: Report) -> str:
    rows = [
        (
            *(kind.kind, f"{kind.sent:,}", f"{kind.failed:,}"),
            *(f"{number:,.1f}" for number in (kind.median_ms, kind.p99_ms, kind.longest_ms)),
            ", ".join(f"{who} {count:,}" for who, count in sorted(kind.answered_by.items())) or "",
        )
        for kind in report.kinds
    ]
    return _table(("", "sent", "failed at first", "median ms", "p99 ms", "longest ms", "answered by"), rows)


def _failures(report: Report) -> str:
    if not report.failures:
        return "<p>Not one request failed.</p>"
    rows = [
        (
            *(group.kind.value, group.outcome, f"{sum(group.on_repeat.values()):,}"),
            ", ".join(f"{count:,} {outcome}" for outcome, count in group.on_repeat.items()),
        )
        for group in report.failures
    ]
    return _table(("", "outcome", "times", "on repeat"), rows)


def _nodes(report: Report) -> str:
    rows = [(node, f"{found:,} of {report.acknowledged_writes:,}") for node, found in report.nodes.items()]
    return _table(("node", "acknowledged writes found"), rows)


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    return text if text.startswith("<span") else escape(text)
