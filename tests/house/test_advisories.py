import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from stack.advisories import ACCEPTED, UNKNOWN, findings
from stack.profile import REPOSITORY

JOSE: dict[str, Any] = {
    "name": "python-jose",
    "version": "3.3.0",
    "vulns": [{"id": "PYSEC-2024-232", "aliases": ["CVE-2024-33663"], "fix_versions": ["3.4.0"]}],
}
FINE: dict[str, Any] = {"name": "orjson", "version": "3.11.0", "vulns": []}


def test_a_known_vulnerability_is_told_with_what_mends_it() -> None:
    [told] = findings([FINE, JOSE], accepted={})

    assert told.startswith("python-jose 3.3.0 has PYSEC-2024-232 (mended in 3.4.0)")


def test_an_accepted_one_isn_t_told_by_whichever_name() -> None:
    assert list(findings([JOSE], accepted={"PYSEC-2024-232": "why"})) == []
    assert list(findings([JOSE], accepted={"CVE-2024-33663": "why"})) == []


def test_an_acceptance_that_concerns_nothing_any_more_is_told() -> None:
    [told] = findings([FINE], accepted={"CVE-2024-33663": "why"})

    assert "CVE-2024-33663" in told


def test_each_acceptance_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in ACCEPTED.values())


# --- pip-audit itself, asking an advisory service of our own ---------------------------------------------------------

ECDSA: Final = {
    "id": "GHSA-wj6h-64fc-37mp",
    "aliases": ["CVE-2024-23342"],
    "summary": "Minerva timing attack on P-256",
    "affected": [{"package": {"name": "ecdsa", "ecosystem": "PyPI"}}],
}
CONFUSION: Final = {
    "id": "GHSA-6c5p-j8vq-pqhj",
    "aliases": ["CVE-2024-33663"],
    "summary": "Algorithm confusion with OpenSSH ECDSA keys",
    "affected": [
        {
            "package": {"name": "python-jose", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.4.0"}]}],
        }
    ],
}
FRESH: Final = {
    "id": "GHSA-0000-0000-0000",
    "aliases": [],
    "summary": "Found this morning",
    "affected": [{"package": {"name": "orjson", "ecosystem": "PyPI"}}],
}

Known = Mapping[tuple[str, str | None], Mapping[str, Any]]
"""An advisory by package, and version where it concerns one alone."""


@contextmanager
def _served(known: Known, *, status: int = 200) -> Iterator[str]:
    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = asked["package"]["name"], asked["version"]
            found = [known[one] for one in ((name, version), (name, None)) if one in known]
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002  the name that it has there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _audited(service: str, *lock: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "stack.advisories", *lock],
        cwd=REPOSITORY,
        env=os.environ | {"BOOKSTORE_ADVISORIES": service, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_is_accepted_with_a_reason_breaks_nothing() -> None:
    with _served({("ecdsa", None): ECDSA}) as service:
        assert _audited(service) == (0, "")


def test_a_vulnerability_in_a_locked_package_breaks_the_check() -> None:
    with _served({("ecdsa", None): ECDSA, ("orjson", None): FRESH}) as service:
        code, said = _audited(service)

    assert code == 1
    [told] = said.splitlines()
    assert told.startswith("orjson ")
    assert "GHSA-0000-0000-0000" in told


def test_the_algorithm_confusion_of_an_old_python_jose_breaks_the_check(tmp_path: Path) -> None:
    """Pinning the algorithm is no reason to keep a version that has it."""
    lock = tmp_path / "lock.txt"
    hashed = f" --hash=sha256:{'0' * 64}\n"
    lock.write_text(f"python-jose==3.3.0{hashed}ecdsa==0.19.2{hashed}", encoding="utf-8")
    known: Known = {("ecdsa", None): ECDSA, ("python-jose", "3.3.0"): CONFUSION}

    with _served(known) as service:
        code, said = _audited(service, str(lock))
        locked = _audited(service)

    assert code == 1
    [told] = said.splitlines()
    assert told.startswith("python-jose 3.3.0 has ")
    assert "mended in 3.4.0" in told
    assert locked == (0, "")


@pytest.mark.parametrize("status", [500, 403])
def test_a_service_that_cannot_tell_leaves_it_unknown(status: int) -> None:
    with _served({}, status=status) as service:
        code, said = _audited(service)

    assert code == UNKNOWN
    assert "isn't known from this run" in said
