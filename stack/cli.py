"""The command line: a thin face on this package."""

import json
import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from bench.cli import bench
from stack.advisories import UNKNOWN
from stack.audit.commands import audit
from stack.checks import run_checks
from stack.demo.commands import demo
from stack.display import console, errors, show_mail, status_table
from stack.down import take_down
from stack.errors import NoVerdictError, StackError
from stack.faults import Fault
from stack.logs import follow, last_lines
from stack.mailbox import mails_in
from stack.profile import default_profile
from stack.references import write_references
from stack.running import Stack
from stack.testing import run_tests
from stack.tokens import access_token, make_admin
from stack.up import bring_up


class TokenRole(StrEnum):
    """Whom a token is for."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


cli = typer.Typer(
    name="bookstore",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""An online bookstore's API on a real MongoDB replica set, on this machine.

[bold]Start here[/]

  ./bookstore up                      everything, until Ctrl-C
  ./bookstore up --detach             everything, in the background
  ./bookstore fault kill primary      kill -9 the database's primary, and watch nothing happen
  ./bookstore status                  who is primary now?
  ./bookstore fault restart primary   bring the killed one back
  ./bookstore down                    stop everything

  ./bookstore audit                   the proof that stock, orders, money and letters agree
  ./bookstore demo failover           all that in 40 s: under load, with the proof that nothing got lost
  ./bookstore test                    all tests, on databases of their own""",
)

admin = typer.Typer(name="admin", no_args_is_help=True, help="Say who runs the shop.")

cli.command()(audit)
cli.add_typer(admin)
cli.add_typer(demo)
cli.add_typer(bench)


def main() -> None:
    """Run one command; what went wrong is one sentence and exit code 1, or UNKNOWN where it kept us from judging."""
    try:
        cli(prog_name="./bookstore")
    except StackError as error:
        errors.print(f"bookstore: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(UNKNOWN if isinstance(error, NoVerdictError) else 1)
    except OSError as error:
        errors.print(
            f"bookstore: the system refused: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(1)


@cli.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background.")] = False,  # noqa: FBT002  Typer's shape
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="HAProxy's port (8080).")] = None,
    replicas: Annotated[int | None, typer.Option(min=1, max=3, help="How many API replicas (3).")] = None,
) -> None:
    """Start everything; running it twice is fine.

    Three mongod, two Redis, the API replicas, relay, Celery workers and beat, HAProxy, a payment and a mail stand-in.
    An empty catalogue gets the starter books.

      ./bookstore up --port 9000 --replicas 2
    """
    bring_up(default_profile(port=port, replicas=replicas), detach=detach)


@cli.command()
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Delete its databases, mails and logs, too.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """Stop everything, in the right order; with --wipe the next `up` starts afresh."""
    take_down(default_profile().folder, wipe=wipe)


@cli.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """Show what runs where, and who is primary."""
    answer = _stack().status()
    if as_json:
        print(json.dumps({"url": answer["url"], "processes": answer["processes"]}, indent=2))
    else:
        console.print(status_table(answer))


@cli.command()
def logs(
    name: Annotated[str, typer.Argument(help="As in status; or supervisor, migrate.")],
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,  # noqa: FBT002  Typer's shape
    lines: Annotated[int, typer.Option("--lines", "-n", min=0)] = 40,
) -> None:
    """Print the end of a process's log.

    ./bookstore logs api-1 -f
    """
    folder = default_profile().logs
    log = folder / f"{name}.log"
    if not log.is_relative_to(folder) or not log.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.log")))
        raise StackError(f"there is no log of {name!r}; there are{f': {known}' if known else ' none yet'}")
    for line in last_lines(log, lines):
        print(line)
    if follow_on:
        try:
            for text in follow(log):
                print(text, end="", flush=True)
        except KeyboardInterrupt:
            return


@cli.command()
def fault(
    what: Annotated[Fault, typer.Argument(help="kill: kill -9. stop: SIGSTOP. cont: SIGCONT. restart: bring it back.")],
    name: Annotated[str, typer.Argument(help="As in status, or primary, secondary, api.")],
) -> None:
    """Break something on purpose; what was killed stays dead until `fault restart`.

    ./bookstore fault kill primary      then: ./bookstore fault restart primary
    ./bookstore fault stop redis-cache  then: ./bookstore fault cont redis-cache
    """
    done = {Fault.KILL: "killed", Fault.STOP: "stopped (SIGSTOP)", Fault.CONT: "goes on", Fault.RESTART: "restarted"}
    console.print(f"{_stack().fault(what, name)}: {done[what]}", highlight=False)


@cli.command()
def restart(
    name: Annotated[str, typer.Argument(help="As in status, or api for every replica.")],
    rolling: Annotated[bool, typer.Option("--rolling", help="One by one, without a failed request.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """Restart a process, or all API replicas.

    ./bookstore restart api --rolling
    """
    stack = _stack()
    names = stack.replicas() if name == "api" else [name]
    if rolling and not set(names) <= set(stack.replicas()):
        raise StackError("only API replicas restart without a gap: ./bookstore restart api --rolling")
    if rolling and len(stack.replicas()) == 1:
        raise StackError("one replica alone can't restart without a gap; start more: ./bookstore up --replicas 3")
    for replica in names:
        restarted = stack.restart_gently(replica) if rolling else stack.fault(Fault.RESTART, replica)
        console.print(f"{restarted}: restarted", highlight=False)


@cli.command()
def token(
    role: Annotated[TokenRole, typer.Option(help="Each may do what the ones before it may.")] = TokenRole.CUSTOMER,
) -> None:
    """Print an access token for trying things out; it lasts 15 minutes.

    curl -H "Authorization: Bearer $(./bookstore token --role staff)" http://127.0.0.1:8080/api/v1/inventory/low-stock
    """
    print(access_token(_stack(), role=role.value))


@cli.command()
def mail(
    number: Annotated[int | None, typer.Argument(min=1, help="Which one to show; the list says.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  Typer's shape
    html: Annotated[bool, typer.Option("--html", help="Print its HTML, as for a browser.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """List the e-mails that the shop sent here, or show one.

    ./bookstore mail
    ./bookstore mail 3
    ./bookstore mail 3 --html > /tmp/3.html
    """
    show_mail(mails_in(default_profile().mails), number=number, as_json=as_json, html=html)


@admin.command("create")
def create_admin(
    email: Annotated[str, typer.Argument(help="Whose account it is; who has one already becomes an administrator.")],
    ask: Annotated[bool, typer.Option("--ask", help="Ask for the password; else one is made up.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """Make an administrator.

    ./bookstore admin create ada@example.com
    """
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if ask else None
    made = make_admin(_stack(), email, password=password)
    console.print(f"{email} is an administrator, with the username {made['username']}.", highlight=False)
    if made["password"]:
        console.print(f"Password: {made['password']}", markup=False, highlight=False)


@cli.command()
def load(
    users: Annotated[int, typer.Option(min=1, help="How many people are in the shop at once.")] = 30,
    seconds: Annotated[int, typer.Option(min=1, help="For how long.")] = 30,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Journeys a second by all together; else as people.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Locust's own page, on a running system.")] = False,  # noqa: FBT002  Typer's shape
) -> None:
    """Send people through the shop who browse, search, read and edit; exit code 1 where a request failed.

    ./bookstore load --users 100 --seconds 60
    ./bookstore load --page
    """
    from stack.load.journeys import Journeys, load_shop, open_page  # noqa: PLC0415  as `token`

    if page:
        open_page(_stack())
    if not load_shop(Journeys(users=users, seconds=seconds, rate=rate)):
        raise typer.Exit(1)


@cli.command(
    "import",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def import_books(context: typer.Context) -> None:
    """Import books from a file, the starter catalogue or a generator; importing again changes nothing.

    ./bookstore import books.csv --format goodbooks
    ./bookstore import --synthetic 100000 --seed 1
    ./bookstore import --help
    """
    if "--help" not in context.args:
        os.environ |= _stack().environment
    from app.importing.cli import main as import_all  # noqa: PLC0415  the database driver; settings come with the above

    import_all(context.args, name="./bookstore import")


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run the tests on a system of their own, also while `up` is running; arguments go to pytest.

    ./bookstore test
    ./bookstore test tests/api -k search -x
    """
    sys.exit(run_tests(context.args))


@cli.command()
def check() -> None:
    """Check what needs no running system: lint, format, types, layers, house rules, known vulnerabilities."""
    sys.exit(run_checks())


@cli.command()
def docs() -> None:
    """Write the reference pages in docs/ that say what the code says."""
    for path in write_references():
        console.print(f"wrote {path.name}")


def _stack() -> Stack:
    return Stack.running_in(default_profile().folder)
