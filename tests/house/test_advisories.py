from typing import Any

from stack.advisories import ACCEPTED, findings

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
