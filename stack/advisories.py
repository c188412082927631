"""Asks whether any locked package has a known vulnerability. `python -m stack.advisories [LOCK]`.

PyPI is asked; or, where BOOKSTORE_ADVISORIES names one, a service that speaks OSV's API (https://google.github.io/osv.dev).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from stack.profile import REPOSITORY

ACCEPTED: Final[Mapping[str, str]] = {
    "CVE-2024-23342": "ecdsa's timing leak in signing: python-jose brings it along, and we sign with HMAC alone",
}
"""Advisories that don't concern us, by id or alias, each with its reason. One that no package has any more is told.

python-jose's algorithm confusion (CVE-2024-33663) isn't among them: it is mended in 3.4.0, and an older one shall be
told although `app.security` pins the algorithm and signs with a key that is no public key's text.
"""

UNKNOWN: Final = os.EX_TEMPFAIL
"""The exit code where nobody could be asked: neither good nor bad."""

_SECONDS: Final = 120
_LOCK: Final = "requirements/dev.txt"


def main() -> int:
    """Print what is known; 1 where something has to be done, UNKNOWN where nobody could be asked."""
    lock = sys.argv[1] if len(sys.argv) > 1 else _LOCK
    audit = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    service = os.environ.get("BOOKSTORE_ADVISORIES")
    audit += ["--vulnerability-service", "osv", "--osv-url", service] if service else []
    try:
        done = subprocess.run(
            [*audit, "--format", "json", "--progress-spinner", "off", "--timeout", "10"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        print("Nobody could be asked for advisories: whether a locked package is vulnerable isn't known from this run.")
        return UNKNOWN
    if all("skip_reason" in package for package in packages):
        print(
            "This package index knows no advisories: whether a locked package is vulnerable isn't known from this run."
        )
        return UNKNOWN
    found = list(findings(packages, accepted=ACCEPTED))
    for sentence in found:
        print(sentence)
    return 1 if found else 0


def findings(packages: list[dict[str, Any]], *, accepted: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every advisory that isn't accepted, and for every acceptance that is out of date."""
    seen: set[str] = set()
    for package in packages:
        if "skip_reason" in package:
            yield f"{package['name']} couldn't be audited: {package['skip_reason']}"
        for advisory in package.get("vulns", []):
            names = {advisory["id"], *advisory["aliases"]}
            seen |= names
            if not names & set(accepted):
                fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
                yield (
                    f"{package['name']} {package['version']} has {advisory['id']} (mended in {fixed}): run "
                    "requirements/lock --upgrade, or accept it with a reason in stack/advisories.py"
                )
    for name in sorted(set(accepted) - seen):
        yield f"no locked package has {name} any more: take it out of stack/advisories.py"


if __name__ == "__main__":
    sys.exit(main())
