"""What an operator does with accounts from a terminal: `python -m app.account_commands`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from app.cache.invalidation import Invalidator
from app.cache.shared import SharedStore
from app.database import Database
from app.idempotency import Writer
from app.passwords import Passwords
from app.rate_limits import RateLimits
from app.refresh_tokens import RefreshTokens
from app.security import Role
from app.services.accounts import open_session_for
from app.services.sessions import Desk
from app.settings import Settings

commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@asynccontextmanager
async def _desk() -> AsyncIterator[Desk]:
    settings = Settings()
    shared = SharedStore(settings.cache_url.get_secret_value())
    async with Database(settings) as database:
        writer = Writer(database, Invalidator.of(settings, shared))
        yield Desk(settings, writer, Passwords(settings), RefreshTokens(settings), RateLimits(settings))
    await shared.aclose()


@commands.command()
def token(role: Annotated[Role, typer.Option(help="Each may do what the ones before it may.")] = Role.CUSTOMER) -> None:
    """Print an access token of somebody new."""

    async def made() -> str:
        async with _desk() as desk:
            return (await open_session_for(desk, role)).access_token

    typer.echo(asyncio.run(made()))


@commands.callback()
def main() -> None:
    """Make accounts without a form."""


if __name__ == "__main__":
    commands()
