"""The command `./bookstore audit`."""

import asyncio
import json
from typing import Annotated

import typer

from stack.errors import judging
from stack.profile import default_profile
from stack.running import Stack


def audit(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  Typer's shape
    patience: Annotated[
        float, typer.Option(min=0, help="For how many seconds what seems wrong may settle: work is always under way.")
    ] = 20.0,
) -> None:
    """Prove that stock, orders, money and letters agree; exit code 1 where something doesn't, and it is named.

    Where the databases or the gateway can't be read, there is no verdict: exit code 75.

    Reads the databases at one moment, the gateway's own ledger, and the mails that were kept. Harmless under load.

    ./bookstore audit
    ./bookstore audit --json
    """
    from stack.audit.auditing import audit as audited  # noqa: PLC0415  loads the database driver, for this alone
    from stack.audit.display import show, show_unsettled  # noqa: PLC0415

    with judging():
        stack = Stack.running_in(default_profile().folder)
        verdict = asyncio.run(audited(stack, patience=patience, tell=None if as_json else show_unsettled))
    if as_json:
        print(json.dumps(verdict.as_json(), indent=2))
    else:
        show(verdict)
    if not verdict.holds:
        raise typer.Exit(1)
