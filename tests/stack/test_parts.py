import asyncio
import json
import os
import smtplib
import subprocess
import sys
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.errors import StackError
from stack.logs import last_lines, rotate
from stack.mail_sink import Folder
from stack.mailbox import mails_in
from stack.probes import smtp_greets
from stack.processes import process_specs
from stack.profile import REPOSITORY, Profile, throwaway_profile
from stack.secrets import load_secrets
from stack.tokens import minted_token
from tests.stack.conditions import eventually


def test_secrets_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    # when
    first = load_secrets(tmp_path)
    second = load_secrets(tmp_path)

    # then
    assert first == second
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.json"]
    assert first != load_secrets(tmp_path / "other")


def test_who_makes_accounts_is_spared_the_terminals_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: what the terminal sends goes to a process group
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec ps -o pgid= -p $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    # when
    group = int(minted_token({}, role="staff"))

    # then
    assert group != os.getpgrp()


def test_spoilt_secrets_are_explained(tmp_path: Path) -> None:
    # given
    (tmp_path / "secrets.json").write_text('{"mongo_root_')

    # when
    with pytest.raises(StackError) as refused:
        load_secrets(tmp_path)

    # then
    assert f"{tmp_path}/secrets.json can't be read" in str(refused.value)


def test_a_profile_survives_its_journey_to_the_supervisor(tmp_path: Path) -> None:
    # given
    profile = throwaway_profile("other", replicas=2, folder=tmp_path, first_port=25000)

    # then
    assert Profile.from_json(profile.to_json()) == profile
    assert len(set(profile.ports.listeners().values())) == len(profile.ports.listeners()) == 11


def test_a_replica_is_started_here_as_it_is_in_the_image(tmp_path: Path) -> None:
    # given
    profile = throwaway_profile("other", folder=tmp_path, first_port=25000)
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    # when
    here = next(spec.command for spec in process_specs(profile, load_secrets(tmp_path)) if spec.kind == "api")
    there = json.loads(dockerfile.rpartition("\nCMD ")[2].replace("\\\n", ""))
    # then: but for addresses
    assert list(here[here.index("--loop") :]) == there[there.index("--loop") :]


def test_a_long_path_still_has_room_for_sockets(tmp_path: Path) -> None:
    # given
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    profile = throwaway_profile("deep", folder=deep, first_port=25000)

    # when
    profile.make_folders()

    # then
    assert len(str(profile.control_socket)) < 80
    assert profile.sockets.stat().st_mode & 0o777 == 0o700
    profile.sockets.rmdir()


def test_a_large_log_is_moved_away_under_its_writer(tmp_path: Path) -> None:
    # given
    log = tmp_path / "api-1.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 20)

        # when
        assert rotate(log, largest=100)
        writer.write(b"new line\n")

    # then
    assert log.read_bytes() == b"new line\n"
    assert (tmp_path / "api-1.log.1").read_bytes() == b"old line\n" * 20
    assert not rotate(log, largest=100)
    assert last_lines(tmp_path / "api-1.log.1", 2) == ["old line", "old line"]
    assert last_lines(tmp_path / "api-1.log.1", 0) == []


async def greets(port: int) -> bool:
    return await smtp_greets(port)()


def test_mail_is_kept_for_reading(tmp_path: Path) -> None:
    # given
    port = throwaway_profile("mail", folder=tmp_path, first_port=25000).ports.smtp
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.org", "reader@example.org", "Thank you"
    message["Message-ID"] = "<evt_1@bookstore>"
    message.set_content("Your order: Jane Eyre, Charlotte Brontë\n")
    command = [sys.executable, "-m", "stack.mail_sink", "--port", str(port), "--folder", str(tmp_path / "mail")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) as sink:
        try:
            eventually(lambda: asyncio.run(greets(port)), what="the sink's start")

            # when: effectively once at a sink that honours Message-ID, as mailboxes do
            for _ in range(2):
                with smtplib.SMTP("127.0.0.1", port) as client:
                    client.send_message(message)
        finally:
            sink.terminate()

    # then
    [file] = (tmp_path / "mail").glob("*.eml")
    kept = BytesParser().parsebytes(file.read_bytes())
    assert (kept["Subject"], kept["X-Envelope-To"]) == ("Thank you", "reader@example.org")
    assert "Charlotte Brontë" in kept.get_payload(decode=True).decode()  # type: ignore[union-attr]  # one part
    assert sink.returncode == 0


async def test_a_mail_that_the_sink_died_over_is_kept_when_it_comes_again(tmp_path: Path) -> None:
    # given: what is left where the sink is killed before it says that it took the mail
    content = b"Message-ID: <evt_1@bookstore>\r\nSubject: Thank you\r\n\r\nYour order\r\n"
    (tmp_path / ".1764241382000000000-aaaaaaaa.eml").write_bytes(content)
    envelope = Envelope()
    envelope.mail_from, envelope.rcpt_tos, envelope.content = "shop@example.org", ["reader@example.org"], content

    # when
    sink = Folder(tmp_path)
    said = await sink.handle_DATA(SMTP(sink), Session(asyncio.get_running_loop()), envelope)

    # then
    assert said.startswith("250")
    assert [mail.identity for mail in mails_in(tmp_path)] == ["<evt_1@bookstore>"]
