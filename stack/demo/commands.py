"""The commands under `./bookstore demo`."""

from pathlib import Path
from typing import Annotated

import typer

from stack.demo.scenario import Blow, Plan
from stack.errors import judging
from stack.outputs import output_file

demo = typer.Typer(name="demo", no_args_is_help=True, help="Break something under load, and watch what clients notice.")


@demo.command()
def failover(  # noqa: PLR0917  Typer's shape
    fault: Annotated[Blow, typer.Option(help="kill: kill -9. stop: SIGSTOP, later SIGCONT. stepdown.")] = Blow.KILL,
    seconds: Annotated[float, typer.Option(min=8, help="How long the load lasts.")] = 40.0,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second; 15 % of them are writes.")] = 200.0,
    json_file: Annotated[Path | None, output_file("--json", help="All numbers.")] = None,
    html_file: Annotated[Path | None, output_file("--html", help="The picture, as a page.")] = None,
    png_file: Annotated[Path | None, output_file("--png", help="The picture.")] = None,
) -> None:
    """Hit the database's primary under load; exit code 1 where an acknowledged write got lost, doubled or hidden.

    ./bookstore demo failover
    ./bookstore demo failover --fault stop --html failover.html
    """
    from stack.demo.failover import show_failover  # noqa: PLC0415  loads the database driver and the app's token code

    plan = Plan(blow=fault, seconds=seconds, rate=rate)
    with judging():
        holds = show_failover(plan, json_file=json_file, html_file=html_file, png_file=png_file)
    if not holds:
        raise typer.Exit(1)


@demo.command("checkout-failover")
def checkout_failover(
    fault: Annotated[Blow, typer.Option(help="kill: kill -9. stop: SIGSTOP, later SIGCONT. stepdown.")] = Blow.KILL,
    seconds: Annotated[float, typer.Option(min=8, help="How long people buy.")] = 40.0,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second; every other one buys.")] = 20.0,
    json_file: Annotated[Path | None, output_file("--json", help="All numbers.")] = None,
) -> None:
    """Hit the database's primary while people buy; then audit every order, copy, cent and letter.

    ./bookstore demo checkout-failover
    ./bookstore demo checkout-failover --fault stop --seconds 60
    """
    from stack.demo.checkout import show_checkout  # noqa: PLC0415  as above

    with judging():
        holds = show_checkout(Plan(blow=fault, seconds=seconds, rate=rate), json_file=json_file)
    if not holds:
        raise typer.Exit(1)
