"""Examines the running system against the OpenAPI document that it serves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.security import Role
from stack.tokens import minted_token

FOLDER = Path(__file__).parent
EXAMPLES = int(os.environ.get("BOOKSTORE_CONTRACT_EXAMPLES", "8"))
"""Per operation and phase; `BOOKSTORE_CONTRACT_EXAMPLES=500 ./bookstore test tests/contract` looks for longer."""


FAREWELLS = ("sign_out", "sign_out_everywhere", "delete_me", "end_session")
"""After these the token of the run would be no good any more; they are examined without one."""


@pytest.fixture(params=[None, Role.STAFF], ids=["anonymous", "staff"])
def headers(request: pytest.FixtureRequest) -> list[str]:
    if request.param is None:
        return []
    token = minted_token(os.environ, role=request.param, seconds=24 * 3600)
    return ["--header", f"Authorization: Bearer {token}", "--exclude-operation-id-regex", f"^({'|'.join(FAREWELLS)})$"]


def test_the_program_does_what_its_document_says(headers: list[str], tmp_path: Path) -> None:
    """Run every check of schemathesis: examples, boundary values, made-up data good and bad, and sequences by links."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(FOLDER / "schemathesis.toml")),
            *("run", f"{os.environ['BOOKSTORE_URL']}/api/v1/openapi.json"),
            *("--max-examples", str(EXAMPLES)),
            *("--no-color", "--no-shrink", "--output-sanitize", "false"),
            *headers,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 + 60 * EXAMPLES,
        check=False,
    )

    assert run.returncode == 0, run.stdout
