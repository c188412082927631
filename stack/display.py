"""Shows a person what runs where."""

import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stack.control import Message
from stack.errors import StackError
from stack.mailbox import Mail
from stack.profile import Profile

_WIDTH = None if "COLUMNS" in os.environ else 120
"""Of what goes into a file or a pipe: a table of eighty columns would break its headings. A terminal says its own."""

console = Console(width=None if sys.stdout.isatty() else _WIDTH)
errors = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)

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


def show_mail(mails: Sequence[Mail], *, number: int | None, as_json: bool, html: bool) -> None:
    """List the messages, or show one as text, HTML or JSON.

    Raises:
        StackError: there is none with this number.
    """
    if number is not None and number > len(mails):
        raise StackError(f"there is no message {number}; there are {len(mails)}, see: ./bookstore mail")
    if as_json:
        print(json.dumps([one.as_json() for one in mails] if number is None else mails[number - 1].as_json(), indent=2))
    elif not mails:
        print("No e-mails yet.")
    elif number is None:
        table = Table(header_style="bold")
        for heading in ("", "at", "to", "subject"):
            table.add_column(heading)
        for one in mails:
            table.add_row(str(one.number), f"{one.received_at:%Y-%m-%d %H:%M:%S}", escape(one.to), escape(one.subject))
        console.print(table)
    elif html:
        print(mails[number - 1].body("html"))
    else:
        one = mails[number - 1]
        print(f"To: {one.to}\nSubject: {one.subject}\nMessage-ID: {one.identity}\n\n{one.body('plain')}")


def show_what_next(profile: Profile) -> None:
    """Three requests that work, ready to paste."""
    url = profile.url
    if profile.tls_url:
        console.print(f"\nIt speaks TLS at {profile.tls_url}.", highlight=False)
    console.print("\n[bold]Try[/]")
    for line in (
        f"curl -s '{url}/api/v1/books?limit=3'",
        f"curl -s '{url}/api/v1/books/search?q=hobit'",
        f'curl -s -H "Authorization: Bearer $(./bookstore token --role staff)" {url}/api/v1/inventory/low-stock',
    ):
        # Plain, so that a narrow terminal doesn't break what is to be pasted.
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
