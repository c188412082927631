"""Runs localstripe, on loopback unless told otherwise, with its ledger in a file and our webhook registered.

By itself localstripe listens on every interface and keeps one pickle in /tmp that all runs share; here changes reach
the disk half a second later at most, and on SIGTERM.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from localstripe.server import app
from localstripe.webhooks import register_webhook

from stack.stripe_gaps import fill_gaps
from stack.stripe_ledger import Ledger

_SAVE_SECONDS = 0.5


async def _keep_saving(ledger: Ledger) -> AsyncIterator[None]:
    """Save while the server runs, and once more at its end: an aiohttp clean-up context."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            ledger.save()

    task = asyncio.create_task(repeat())
    yield
    task.cancel()
    ledger.save()


def _secret() -> str:
    file = os.environ.get("STRIPE_WEBHOOK_SECRET_FILE")
    return Path(file).read_text(encoding="utf-8").strip() if file else os.environ["STRIPE_WEBHOOK_SECRET"]


def serve(*, host: str, port: int, file: Path, webhook: str) -> None:
    """Run until SIGTERM."""
    ledger = Ledger(file)
    ledger.open()
    register_webhook("bookstore", webhook, _secret(), None)
    fill_gaps(app)
    app.cleanup_ctx.append(lambda _: _keep_saving(ledger))
    web.run_app(app, host=host, port=port, print=None, access_log=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--webhook", required=True)
    arguments = parser.parse_args()
    serve(host=arguments.host, port=arguments.port, file=arguments.store, webhook=arguments.webhook)
