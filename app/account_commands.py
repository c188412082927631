"""What an operator does with accounts from a terminal: `python -m app.account_commands`."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.database import Database, as_domain_error
from app.errors import BookstoreError, InvalidInput
from app.idempotency import Writer
from app.security import Role
from app.services.accounts import NewAdmin, make_admin, open_session_for
from app.services.desk import Desk
from app.settings import Settings, wrong_setting

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@asynccontextmanager
async def _desk() -> AsyncIterator[Desk]:
    settings = Settings()
    shared = SharedStore(settings.cache_url.get_secret_value())
    async with Database(settings) as database:
        desk = Desk.of(settings, Writer(database, Invalidator.of(settings, shared)))
        yield desk
        await desk.aclose()
    await shared.aclose()


@commands.command()
def token(role: Annotated[Role, typer.Option(help="Each may do what the ones before it may.")] = Role.CUSTOMER) -> None:
    """Print an access token of somebody new."""

    async def made() -> str:
        async with _desk() as desk:
            return (await open_session_for(desk, role)).access_token

    typer.echo(_said(made()))


@commands.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="Whose account it is; an account with this address becomes one.")],
    password: Annotated[
        str | None, typer.Option(envvar="BOOKSTORE_ADMIN_PASSWORD", help="Generated and printed where none is given.")
    ] = None,
) -> None:
    """Make an administrator, or make one of somebody who has an account."""

    async def made() -> NewAdmin:
        async with _desk() as desk:
            return await make_admin(desk, email, password=password)

    admin = _said(made())
    typer.echo(json.dumps({"id": admin.user.id, "username": admin.user.username, "password": admin.generated}))


def _said(work: Coroutine[None, None, T]) -> T:
    """Return what the work returns, or end with a sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except (ValidationError, BookstoreError, PyMongoError) as error:
        typer.echo(_in_words(error), err=True)
        raise typer.Exit(1) from error


def _in_words(error: ValidationError | BookstoreError | PyMongoError) -> str:
    if isinstance(error, ValidationError):
        return wrong_setting(error)
    if isinstance(error, PyMongoError):
        error = as_domain_error(error)
    # There is no body here that a pointer could point into.
    if isinstance(error, InvalidInput):
        return "; ".join(f"the {field.pointer.removeprefix('/')} {field.detail}" for field in error.fields)
    return error.detail


@commands.callback()
def main() -> None:
    """Make accounts without a form."""


if __name__ == "__main__":
    commands()
