"""Hands letters to the mail server over SMTP."""

import asyncio
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.mail.letters import Letter, render
from app.mail.subjects import LETTERS
from app.settings import Settings

_GREETING_SECONDS: Final = 6.0
"""For connecting, greeting and signing in: a server that hangs is found out here."""

_LETTER_SECONDS: Final = 25.0
"""For handing a letter over. Servers look into what they take before they say that they did (RFC 5321 allows ten
minutes, section 4.5.3.2.6); whoever doesn't wait for them sends it again, and they have it twice."""

_GOODBYE_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = _GREETING_SECONDS + _LETTER_SECONDS + _GOODBYE_SECONDS
"""What sending a letter takes at most."""

_TLS_PORT: Final = 465
_PLAIN_PORT: Final = 25


class MailServerAway(OSError):
    """The mail server can't be reached, or says that it can't just now: worth another try later."""


class LetterRefused(Exception):
    """The mail server will never take this letter."""


class Postman:
    """Knows the mail server of the settings.

    `smtps://` speaks TLS from the start. `smtp://` with a user's name insists on STARTTLS before it tells the password;
    without one it takes STARTTLS where the server offers it.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the address; nobody is called yet."""
        url = urlsplit(settings.smtp_url.get_secret_value())
        self._implicit_tls = url.scheme == "smtps"
        self.host = url.hostname or "127.0.0.1"
        self.port = url.port or (_TLS_PORT if self._implicit_tls else _PLAIN_PORT)
        self._user = unquote(url.username) if url.username else None
        self._password = unquote(url.password) if url.password else None
        self._sender = settings.mail_from
        self._domain = self._sender.rpartition("@")[2].rstrip(">").strip()

    async def send(self, letter: Letter, *, identity: str) -> None:
        """Hand the letter over. The same identity makes the same Message-ID: mailboxes keep such a letter once.

        Raises:
            MailServerAway: try again later; it may have been taken nevertheless.
            LetterRefused: don't.
        """
        message = self._message(letter, identity)
        server = self._server()
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                await server.connect()
            async with asyncio.timeout(_LETTER_SECONDS):
                await server.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refusal.code for refusal in error.recipients]
            if all(_is_final(code) for code in codes):
                raise LetterRefused(f"the mail server refused the recipient: {codes}") from error
            raise MailServerAway(f"the mail server took no recipient: {codes}") from error
        except aiosmtplib.SMTPDataError as error:
            if _is_final(error.code):
                raise LetterRefused(f"the mail server refused the letter: {error.code}") from error
            raise MailServerAway(f"the mail server said {error.code}") from error
        except aiosmtplib.SMTPResponseException as error:
            # Our address, password or sender is the operator's to mend, not any letter's fault; letters wait for that.
            raise MailServerAway(f"the mail server refused to serve us: {error.code}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailServerAway(f"the mail server is away: {type(error).__name__}") from error
        finally:
            await _take_leave(server)

    def _server(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self._user,
            password=self._password,
            use_tls=self._implicit_tls,
            start_tls=None if self._implicit_tls or self._user is None else True,
            timeout=_LETTER_SECONDS,
        )

    def _message(self, letter: Letter, identity: str) -> EmailMessage:
        rendered = render(letter)
        # The policy refuses a line break in any header; the address is parsed, so that it stays one address.
        message = EmailMessage(policy=LETTERS)
        message["From"] = self._sender
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = " ".join(letter.subject.split())
        message["Message-ID"] = f"<{identity}@{self._domain}>"
        message["Date"] = letter.at
        # RFC 3834: nobody's out-of-office shall answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        return message


async def _take_leave(server: aiosmtplib.SMTP) -> None:
    # What was taken before is taken: a goodbye that isn't answered is no reason to send it once more.
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await server.quit()
    server.close()


def _is_final(code: int) -> bool:
    return 500 <= code < 600  # noqa: PLR2004  RFC 5321, section 4.2.1
