"""Reads the messages that the local mail sink kept."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mail:
    """One kept message; the first ever is number 1."""

    number: int
    file: Path

    @cached_property
    def message(self) -> EmailMessage:
        """The message as it came."""
        message = BytesParser(policy=policy.default).parsebytes(self.file.read_bytes())
        assert isinstance(message, EmailMessage)
        return message

    @property
    def received_at(self) -> datetime:
        """When the sink took it."""
        return datetime.fromtimestamp(int(self.file.name.partition("-")[0]) / 1e9, tz=UTC)

    @property
    def to(self) -> str:
        """Whom it was really for: the envelope's recipients."""
        return str(self.message["X-Envelope-To"])

    @property
    def subject(self) -> str:
        """Its subject line."""
        return str(self.message["Subject"])

    @property
    def identity(self) -> str:
        """Its Message-ID."""
        return str(self.message["Message-ID"])

    def body(self, kind: str) -> str:
        """Its text in this form, `plain` or `html`; empty where it hasn't got it."""
        part = self.message.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""

    def as_json(self) -> dict[str, Any]:
        """Everything of it, for programs."""
        return {
            "number": self.number,
            "received_at": self.received_at.isoformat(timespec="milliseconds"),
            "to": self.to,
            "from": str(self.message["From"]),
            "subject": self.subject,
            "message_id": self.identity,
            "text": self.body("plain"),
            "html": self.body("html"),
        }


def mails_in(folder: Path) -> list[Mail]:
    """Every kept message, the oldest first."""
    return [Mail(number, file) for number, file in enumerate(kept_in(folder), 1)]


def kept_in(folder: Path) -> list[Path]:
    """The files of the kept messages, the oldest first; not those of messages that the sink hasn't said it took."""
    return sorted(folder.glob("[0-9]*.eml"))
