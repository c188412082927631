from pathlib import Path

import pytest

from stack.house_rules import MAX_LINES, broken_rules
from stack.references import stale_references


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("app/utils.py", "", "the name says nothing"),
        ("app/services/long.py", "x = 1\n" * (MAX_LINES + 1), f"has {MAX_LINES + 1} lines"),
        ("app/services/a.py", "raise HTTPException(404)\n", "the domain knows no HTTP"),
        ("app/services/a.py", "session.with_transaction(f)\n", "the only place that commits"),
        ("workers/a.py", "task.delay()\n", "only the outbox relay rings Celery"),
        ("app/models/a.py", "datetime.now()\n", "ask app/clock.py"),
        ("app/money.py", "float(price)\n", "no floats on a money path"),
        ("app/routers/a.py", "async def f():\n    return private(request, await things.get())\n", "Database.fresh"),
        ("app/a.py", "x = f()  # noqa\n", "a bare ignore"),
    ],
)
def test_a_broken_rule_is_named(tmp_path: Path, path: str, source: str, complaint: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source)

    (sentence,) = broken_rules(tmp_path)

    assert sentence.startswith(path)
    assert complaint in sentence


def test_clean_code_breaks_no_rule(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/clock.py").write_text("datetime.now(UTC)\n")

    assert list(broken_rules(tmp_path)) == []


def test_the_reference_pages_say_what_the_code_says() -> None:
    assert stale_references() == []
