import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from app import clock
from app.ids import new_id
from app.mail.letters import Letter, render
from app.mail.postman import LetterRefused, MailServerAway, Postman
from app.settings import Settings
from tests.outbox.sink import mails_once_there

VALUES = {
    "title": "Emma",
    "authors": ["Jane Austen"],
    "available": 2,
    "now": 1,
    "book_id": "bk_1",
    "then": "2026-11-21T00:00:00.000Z",
}


def letter(to: str, **changes: Any) -> Letter:
    plain = Letter(template="low_stock", to=to, subject="Running low: Emma", at=clock.now(), values=VALUES)
    return replace(plain, **changes)


async def test_a_letter_comes_as_text_and_html_and_once_per_identity(settings: Settings, mails: Path) -> None:
    # given
    postman = Postman(settings)

    # when
    for _ in range(3):
        await postman.send(letter("once@example.com"), identity="evt_once")
    await postman.send(letter("once@example.com"), identity="evt_other")

    # then
    first, second = await mails_once_there(mails, to="once@example.com", count=2)
    assert [first.identity, second.identity] == ["<evt_once@bookstore.example>", "<evt_other@bookstore.example>"]
    assert first.subject == "Running low: Emma"
    assert str(first.message["From"]) == "Bookstore <shop@bookstore.example>"
    assert str(first.message["Auto-Submitted"]) == "auto-generated"
    assert "Emma by Jane Austen" in first.body("plain")
    assert "<em>Emma</em> by Jane Austen" in first.body("html")


def test_what_people_wrote_is_escaped_in_html() -> None:
    hostile = "<script>alert(1)</script>"

    values = VALUES | {"title": hostile, "authors": [hostile]}

    rendered = render(letter("a@example.com", subject=hostile, values=values))

    assert "<script" not in rendered.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in rendered.html
    assert hostile in rendered.text


async def test_a_line_break_in_a_subject_makes_no_header(settings: Settings, mails: Path) -> None:
    subject = "Low: Emma\r\nBcc: everybody@example.com\r\n\r\nBody"

    await Postman(settings).send(letter("breaks@example.com", subject=subject), identity="evt_breaks")

    [kept] = await mails_once_there(mails, to="breaks@example.com", count=1)
    assert kept.subject == "Low: Emma Bcc: everybody@example.com Body"
    assert kept.message["Bcc"] is None


@pytest.mark.parametrize(
    "title",
    [
        "perdu “Quoted” R.U.R. Bücher años temps den spéciale): Frieden, the de temps of 😀 und temps Die recherche",
        "戦争と平和" * 40,
        "É" + "a" * 300,
        "x" * 500,
        'Of "quotes", <signs> & (comments); a@example.com:',
    ],
)
async def test_a_subject_comes_as_it_was_written(settings: Settings, mails: Path, title: str) -> None:
    to = f"{new_id('title').lower()}@example.com"

    await Postman(settings).send(letter(to, subject=f"Running low: {title}"), identity=new_id("evt"))

    [kept] = await mails_once_there(mails, to=to, count=1)
    assert kept.subject == f"Running low: {title}"
    assert max(map(len, kept.file.read_bytes().splitlines())) < 998


async def test_a_title_that_looks_encoded_makes_no_header_either(settings: Settings, mails: Path) -> None:
    # given: what RFC 2047 reads as line breaks, another header and a body
    subject = "Low: =?utf-8?q?Emma=0D=0ABcc:_everybody@example.com=0D=0A=0D=0ABody?= or =?utf-8?q?Persuasion?="

    # when
    await Postman(settings).send(letter("encoded@example.com", subject=subject), identity="evt_encoded")

    # then
    [kept] = await mails_once_there(mails, to="encoded@example.com", count=1)
    assert kept.subject == subject
    assert kept.message["Bcc"] is None
    assert "Emma by Jane Austen" in kept.body("plain")


@pytest.mark.parametrize("to", ["a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "nobody"])
async def test_an_address_is_one_address(settings: Settings, to: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        await Postman(settings).send(letter(to), identity="evt_address")


class Moody:
    """A mail server that says what it is told to."""

    def __init__(self) -> None:
        self.on_sender = "250 fine"
        self.on_recipient = "250 fine"
        self.on_data = "250 fine"
        self.says_goodbye = True
        self.looks_into_it_for = 0.0
        self.taken = 0

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, sender: str, ___: list[str]) -> str:  # noqa: N802  aiosmtpd's name
        envelope.mail_from = sender
        return self.on_sender

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, to: str, ___: list[str]) -> str:  # noqa: N802  aiosmtpd's name
        envelope.rcpt_tos.append(to)
        return self.on_recipient

    async def handle_DATA(self, _: SMTP, __: Session, ___: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        await asyncio.sleep(self.looks_into_it_for)
        self.taken += self.on_data.startswith("250")
        return self.on_data

    async def handle_QUIT(self, _: SMTP, __: Session, ___: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        if not self.says_goodbye:
            await asyncio.Event().wait()
        return "221 bye"


@pytest.fixture
async def moody(settings: Settings) -> AsyncIterator[tuple[Moody, Postman]]:
    handler = Moody()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(handler), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield handler, Postman(settings.model_copy(update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{port}")}))


@pytest.mark.parametrize("word", ["on_recipient", "on_data"])
async def test_a_final_no_is_final_and_a_passing_one_passes(moody: tuple[Moody, Postman], word: str) -> None:
    server, postman = moody

    setattr(server, word, "550 no such mailbox")
    with pytest.raises(LetterRefused):
        await postman.send(letter("a@example.com"), identity="evt_1")

    setattr(server, word, "451 try later")
    with pytest.raises(MailServerAway):
        await postman.send(letter("a@example.com"), identity="evt_1")

    setattr(server, word, "250 fine")
    await postman.send(letter("a@example.com"), identity="evt_1")


@pytest.mark.parametrize("refusal", ["530 authentication required", "550 not from that sender"])
async def test_a_server_that_refuses_the_shop_refuses_no_letter(moody: tuple[Moody, Postman], refusal: str) -> None:
    """It's the operator's to mend, as a wrong password is; letters wait for that."""
    server, postman = moody
    server.on_sender = refusal

    with pytest.raises(MailServerAway, match=refusal[:3]):
        await postman.send(letter("a@example.com"), identity="evt_1")


async def test_a_server_that_greets_with_a_refusal_refuses_no_letter(settings: Settings) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 no service for your address\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        unwelcome = settings.model_copy(update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{port}")})

        with pytest.raises(MailServerAway, match="554"):
            await Postman(unwelcome).send(letter("a@example.com"), identity="evt_1")


async def test_a_server_that_looks_into_a_letter_for_long_is_waited_for(moody: tuple[Moody, Postman]) -> None:
    server, postman = moody
    server.looks_into_it_for = 7.0  # a filter of unwanted mail; connecting may take six

    await postman.send(letter("slow@example.com"), identity=new_id("evt"))

    assert server.taken == 1


async def test_a_letter_that_was_taken_is_sent_whatever_becomes_of_the_goodbye(moody: tuple[Moody, Postman]) -> None:
    server, postman = moody
    server.says_goodbye = False

    await postman.send(letter("a@example.com"), identity="evt_1")

    assert server.taken == 1


async def test_a_server_that_is_down_is_away(settings: Settings) -> None:
    down = settings.model_copy(update={"smtp_url": SecretStr("smtp://127.0.0.1:1")})

    with pytest.raises(MailServerAway):
        await Postman(down).send(letter("a@example.com"), identity="evt_1")


async def test_no_password_is_told_without_tls(moody: tuple[Moody, Postman], settings: Settings) -> None:
    _, postman = moody
    named = settings.model_copy(update={"smtp_url": SecretStr(f"smtp://shop:secret@127.0.0.1:{postman.port}")})

    with pytest.raises(MailServerAway, match="away: SMTPException"):
        await Postman(named).send(letter("a@example.com"), identity="evt_1")
