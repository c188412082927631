"""Series are lifted out of titles, and nothing else is."""

import pytest

from app.importing.people import split_authors
from app.importing.titles import split_title


@pytest.mark.parametrize(
    ("raw", "title", "name", "position"),
    [
        ("Embers (The Ash Cycle, #1)", "Embers", "The Ash Cycle", "1"),
        ("Embers (Ash #2)", "Embers", "Ash", "2"),
        ("Embers (Ash#2)", "Embers", "Ash", "2"),
        ("Embers (Ash,# 2)", "Embers", "Ash", "2"),
        ("Embers (Ash, #0.5)", "Embers", "Ash", "0.5"),
        ("Embers (Ash, #1-3)", "Embers", "Ash", "1-3"),
        ("Embers (Ash, #1–3)", "Embers", "Ash", "1-3"),  # noqa: RUF001  # as such files have it
        ("Embers (Ash, #0.1 - 0.4)", "Embers", "Ash", "0.1-0.4"),
        ("Embers (Ash, #1-4 + 3.5)", "Embers", "Ash", "1-4"),
        ("Embers (Ash, #0.5, 2.5)", "Embers", "Ash", None),
        ("Embers (Ash, #4.1, #4.3, #5.1)", "Embers", "Ash", None),
        ("Embers (Ash, #1; Ember Lands #7)", "Embers", "Ash", "1"),
        ("Embers (Ash #5, Ember Lands #1)", "Embers", "Ash", "5"),
        ("Embers (Smoke, Ash, and Flame, #3)", "Embers", "Smoke, Ash, and Flame", "3"),
        ("Embers (Ash (US 2nd), #1)", "Embers", "Ash (US 2nd)", "1"),
        ("Embers (Includes: Ash, #8; Soot, #3.5)", "Embers", "Ash", "8"),
        ("Embers (Ash & Co., #1)", "Embers", "Ash & Co.", "1"),
        ("  Embers   (Ash,   #1) ", "Embers", "Ash", "1"),
        ("Embers (Uncut) (Ash, #1)", "Embers (Uncut)", "Ash", "1"),
        ("Embers (Ash, #5, Part 1)", "Embers (Part 1)", "Ash", "5"),
        ("Embers, Part 2 (Ash, #3; Part 2)", "Embers, Part 2", "Ash", "3"),
        ("Embers (Ash #5, Part 2 of 2)", "Embers (Part 2 of 2)", "Ash", "5"),
    ],
)
def test_series_is_lifted_out_of_the_title(raw: str, title: str, name: str, position: str | None) -> None:
    parts = split_title(raw)

    assert (parts.title, parts.series_name, parts.series_position) == (title, name, position)
    assert "series_lifted" in [note.code for note in parts.notes]


@pytest.mark.parametrize(
    "title",
    [
        "Embers",
        "Embers (and Other Concerns)",
        "Embers (A Golden Book, 5)",
        "Embers #1",
        "#EMBERS",
        "Embers: #1-64",
        "Embers (Ash Part #1/2)",
        "Embers (Ash, #1 of many)",
        "Embers (#1)",
        "(Ash, #1)",
        "Embers (Ash, #12345)",
        "Embers Ash, #1)",
        "Embers (Ash, #)",
        "Embers (Ash, #\u0661)",
    ],
)
def test_title_without_a_numbered_series_stays_whole(title: str) -> None:
    parts = split_title(title)

    assert (parts.title, parts.series_name, parts.notes) == (title, None, ())


def test_series_beyond_the_first_are_named_in_a_note() -> None:
    parts = split_title("Embers (Ash, #1; Ember Lands #7; Soot, #2)")

    assert [(note.code, note.detail) for note in parts.notes] == [
        ("series_lifted", "(Ash, #1; Ember Lands #7; Soot, #2)"),
        ("further_series_left_out", "Ember Lands #7; Soot #2"),
    ]


@pytest.mark.parametrize(
    ("raw", "names", "codes"),
    [
        ("Ann Ash", ("Ann Ash",), []),
        ("Ann Ash, Bo Birch", ("Ann Ash", "Bo Birch"), []),
        ("Ann Ash, Bo Birch, Jr., Cy Cedar", ("Ann Ash", "Bo Birch Jr.", "Cy Cedar"), []),
        ("Ann Ash, Bo Birch (Illustrator)", ("Ann Ash", "Bo Birch"), ["author_role_left_out"]),
        ("Ann Ash, ANN ASH", ("Ann Ash",), ["author_repeated"]),
        ("Ann     Ash", ("Ann Ash",), ["author_spaces_cleaned"]),
        ("Ann Ash,, Bo Birch,", ("Ann Ash", "Bo Birch"), []),
        ("The Office (Band)", ("The Office (Band)",), []),
        (" , ", (), []),
    ],
)
def test_authors_are_split_and_cleaned(raw: str, names: tuple[str, ...], codes: list[str]) -> None:
    found, notes = split_authors(raw)

    assert (found, [note.code for note in notes]) == (names, codes)
