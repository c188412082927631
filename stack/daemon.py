"""The supervisor's own process: `python -m stack.daemon PROFILE`, started by stack.running.

Reports in JSON lines on standard output. With `--leash` it stops when standard input ends, so that it never outlives
the terminal or the test run that started it.
"""

import argparse
import asyncio
import errno
import fcntl
import json
import os
import signal
import sys
from typing import TextIO

from stack.control import Message
from stack.drafts import write_whole
from stack.errors import StackError
from stack.leftovers import end_leftovers
from stack.preflight import check_before_start
from stack.processes import process_specs
from stack.profile import Profile
from stack.secrets import load_secrets
from stack.supervisor import Supervisor


def main() -> int:
    """Run one system until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", type=Profile.from_json)
    parser.add_argument("--leash", action="store_true")
    arguments = parser.parse_args()
    profile: Profile = arguments.profile
    try:
        profile.make_folders()
        with (profile.run / "lock").open("a") as lock:
            if not _take(lock):
                report({"event": "busy"})
                return 0
            asyncio.run(serve(profile, leash=arguments.leash))
    except StackError as error:
        report({"event": "failed", "text": str(error)})
        return 1
    except OSError as error:
        report({"event": "failed", "text": _in_words(error, profile)})
        return 1
    report({"event": "stopped"})
    return 0


async def serve(profile: Profile, *, leash: bool) -> None:
    """Clean up, check, start, supervise, stop."""
    left = await asyncio.to_thread(end_leftovers, profile.folder)
    if left:
        report({"event": "progress", "text": f"Cleaned up {left} processes of an earlier run that ended badly"})
    if profile.afresh:
        await asyncio.to_thread(profile.forget_earlier_runs)
    secrets = load_secrets(profile.folder.parent)
    keyfile = profile.run / "keyfile"
    keyfile.unlink(missing_ok=True)
    keyfile.touch(mode=0o600)
    keyfile.write_text(secrets.mongo_keyfile, encoding="ascii")
    keyfile.chmod(0o400)
    write_whole(profile.run / "profile.json", profile.to_json())
    specs = process_specs(profile, secrets)
    report({"event": "progress", "text": "Checking programs, disk and ports"})
    await asyncio.to_thread(check_before_start, profile, specs)
    supervisor = Supervisor(profile, specs=specs, secrets=secrets, report=report)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.ask_to_stop)
    if leash:
        await _stop_at_end_of_input(supervisor)
    try:
        await supervisor.run()
    finally:
        await asyncio.to_thread(end_leftovers, profile.folder)


async def _stop_at_end_of_input(supervisor: Supervisor) -> None:
    class Leash(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's shape
            supervisor.ask_to_stop()

    await asyncio.get_running_loop().connect_read_pipe(Leash, sys.stdin)


def report(message: Message) -> None:
    """Tell who started us; once nobody reads any more, that is no reason to stop."""
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return True


def _in_words(error: OSError, profile: Profile) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk that holds {profile.folder} is full; make room, then run it again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        where = error.filename or profile.folder
        return f"{where} can't be written; make it yours, or name another folder in BOOKSTORE_STATE"
    return f"the system refused: {error}; run it again, and see {profile.logs} if it stays so"


if __name__ == "__main__":
    sys.exit(main())
