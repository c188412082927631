"""Runs localstripe on loopback only, with its ledger in the profile's folder and our webhook registered.

By itself localstripe listens on every interface and keeps one pickle in /tmp that all runs share, rewritten whole
at every change; here changes reach the disk half a second later at most, and on SIGTERM.
"""

import argparse
import asyncio
import os
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web
from localstripe.resources import Store, store
from localstripe.server import app
from localstripe.webhooks import register_webhook

from stack.stripe_gaps import fill_gaps

_SAVE_SECONDS = 0.5


class Ledger:
    """Saves localstripe's objects when they changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = False

    def load(self) -> None:
        """Take up what an earlier run saved."""
        if self._file.exists():
            store.update(pickle.loads(self._file.read_bytes()))  # noqa: S301  our own file in a private folder
        Store.dump_to_disk = self._note_change

    def _note_change(self, *_: object) -> None:
        self._changed = True

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self._changed:
            return
        self._changed = False
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(pickle.dumps(dict(store), protocol=pickle.HIGHEST_PROTOCOL))
        draft.replace(self._file)

    async def keep_saving(self, _: web.Application) -> AsyncIterator[None]:
        """An aiohttp clean-up context: saves while the server runs, and once more at its end."""

        async def repeat() -> None:
            while True:
                await asyncio.sleep(_SAVE_SECONDS)
                self.save()

        task = asyncio.create_task(repeat())
        yield
        task.cancel()
        self.save()


def serve(*, port: int, file: Path, webhook: str) -> None:
    """Run until SIGTERM."""
    ledger = Ledger(file)
    ledger.load()
    register_webhook("bookstore", webhook, os.environ["STRIPE_WEBHOOK_SECRET"], None)
    fill_gaps(app)
    app.cleanup_ctx.append(ledger.keep_saving)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--webhook", required=True)
    arguments = parser.parse_args()
    serve(port=arguments.port, file=arguments.store, webhook=arguments.webhook)
