"""Shows a person what runs where."""

from rich.console import Console
from rich.table import Table

from stack.control import Message

console = Console()
errors = Console(stderr=True)

_COLOURS = {"running": "green", "starting": "yellow", "restarting": "yellow", "killed": "red", "hung": "magenta"}


def status_table(status: Message) -> Table:
    """One row per process."""
    table = Table(title=f"bookstore at {status['url']}", title_justify="left", header_style="bold")
    for heading in ("name", "kind", "state", "role", "port", "pid"):
        table.add_column(heading, justify="right" if heading in {"port", "pid"} else "left")
    for process in status["processes"]:
        colour = _COLOURS.get(process["state"], "dim")
        table.add_row(
            process["name"],
            process["kind"],
            f"[{colour}]{process['state']}[/]",
            process["role"] or "",
            str(process["port"] or ""),
            str(process["pid"] or ""),
        )
    return table


def show_what_next(url: str) -> None:
    """Three requests that work, ready to paste."""
    console.print("\n[bold]Try[/]")
    for line in (
        f"curl -s '{url}/api/v1/books?limit=3'",
        f"curl -s '{url}/api/v1/books/search?q=hobit'",
        f'curl -s -H "Authorization: Bearer $(./bookstore token --role staff)" {url}/api/v1/inventory/low-stock',
    ):
        # Plain, so that a narrow terminal doesn't break what is to be pasted.
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
