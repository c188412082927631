"""A mail server on loopback that keeps every message as an .eml file, for a person and the tests to read."""

import argparse
import asyncio
import secrets
import signal
import time
from email.parser import BytesHeaderParser
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.mailbox import kept_in


class Folder:
    """Stores messages; a Message-ID that it has already is kept once, as mailboxes do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        self._known = {_message_id(file.read_bytes()) for file in kept_in(path)}

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002  aiosmtpd's name and shape
        """Keep one message, with whom it was really for on top."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        identity = _message_id(content)
        if identity and identity in self._known:
            return "250 Message accepted for delivery (once more)"
        received = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        # Sorted by name is sorted by time; renamed into place, so that a reader never sees half a message.
        name = f"{time.time_ns()}-{secrets.token_hex(4)}.eml"
        draft = self._path / f".{name}"
        draft.write_bytes(received.encode() + content)
        draft.replace(self._path / name)
        if identity:
            self._known.add(identity)
        return "250 Message accepted for delivery"


def _message_id(content: bytes) -> str:
    return str(BytesHeaderParser().parsebytes(content).get("Message-ID", "")).strip()


async def serve(port: int, folder: Path) -> None:
    """Run until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    handler = Folder(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
    )
    async with server:
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.folder))
