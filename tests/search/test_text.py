"""Words are compared in normal form, and names are found under each way to spell them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.book import SearchFields
from app.search.text import MAX_TERMS, MAX_TOKEN, index_fields, normalise, spans, tokenise


def indexed(**names: object) -> SearchFields:
    fields: dict[str, object] = dict.fromkeys(
        ("subtitle", "series_name", "publisher", "description", "isbn13", "isbn10")
    )
    return index_fields(**(fields | {"title": "Untitled", "authors": ["Nobody"]} | names))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Les Misérables", "les miserables"),
        ("Straße Ørsted Łódź Æsop Þór", "strasse orsted lodz aesop thor"),
        ("J.K. Rowling", "jk rowling"),
        ("J. K. Rowling", "jk rowling"),
        ("jk rowling", "jk rowling"),
        ("George R.R. Martin", "george rr martin"),
        ("I, Robot", "i robot"),
        ("Plan B: A Novel", "plan b a novel"),
        ("Sorcerer\u2019s Stone", "sorcerers stone"),
        ("Sorcerer's Stone", "sorcerers stone"),
        ("Spider-Man & Friends", "spider man and friends"),
        ("20,000 Leagues", "20000 leagues"),
        ("Catch-22", "catch 22"),
        ("snake_case", "snake case"),
        ("ﬁne print", "fine print"),
        ("美少女戦士", "美少女戦士"),
        ("हिन्दी की किताब", "हिनदी की किताब"),
        ("சிவகாமியின் சபதம்", "சிவகாமியின சபதம"),
        ("ที่นี่ 2", "ทีนี 2"),
        ("क की ख", "क की ख"),
        ("गीत म र", "गीत मर"),
        ("I ❤\ufe0f NY", "i ny"),
        ("?!… —", ""),
        ("a\x00b \ud800c", "a b c"),
    ],
)
def test_text_has_one_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(st.text(max_size=300))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    words = tokenise(text)

    assert all(words)
    assert all(len(word) <= MAX_TOKEN for word in words)
    assert all(len(tokenise(word)) == 1 for word in words if len(word) > 1)


@given(st.text(max_size=300))
def test_spans_stand_in_the_text_in_order(text: str) -> None:
    at = 0
    for span in spans(text):
        assert at <= span.start < span.end <= len(text)
        at = span.end


def test_words_are_marked_as_they_are_written() -> None:
    text = "J.K. Rowling\u2019s “Café”, 20,000 times"

    assert [(span.token, text[span.start : span.end]) for span in spans(text)] == [
        ("jk", "J.K"),
        ("rowlings", "Rowling\u2019s"),
        ("cafe", "Café"),
        ("20000", "20,000"),
        ("times", "times"),
    ]


def test_vowel_signs_belong_to_the_words_that_they_are_written_in() -> None:
    text = "की गीता, cafe\u0301 Vie\u0323\u0302t"

    assert [text[span.start : span.end] for span in spans(text)] == ["की", "गीता", "cafe\u0301", "Vie\u0323\u0302t"]
    assert indexed(title="गीत-कार", authors=["सीता"]).terms == ["गीत", "कार", "गीतकार", "सीता"]
    assert normalise("सीता") != normalise("सुता")


def test_a_book_is_indexed_by_its_names_first_then_its_numbers_then_its_prose() -> None:
    fields = indexed(
        title="The Spider-Man\u2019s Tale",
        subtitle="A Beginning",
        authors=["J. R. O'Brien"],
        series_name="Webs",
        series_position="2",
        isbn13="9780439023480",
        isbn10="043902348X",
        description="The tale of a spider.",
        publisher="Orb & Sons",
    )

    assert fields == SearchFields(
        terms=[
            "the", "spider", "mans", "tale", "man", "webs", "2", "jr", "obrien", "brien", "j", "r", "a", "beginning",
            "9780439023480", "043902348x",
        ],
        named=14,
        title="the spider mans tale",
        authors="jr obrien",
        series="webs 2",
        author_keys=["jr obrien"],
        publisher_key="orb and sons",
        series_key="webs",
    )  # fmt: skip


def test_compounds_are_found_in_one_word() -> None:
    assert "spiderman" in indexed(title="Spider-Man: Blue").terms


def test_a_long_description_adds_words_up_to_a_limit() -> None:
    fields = indexed(description=" ".join(f"word{number}" for number in range(2_000)), title="A Name")

    assert len(fields.terms) == MAX_TERMS
    assert fields.terms[:3] == ["a", "name", "nobody"]
    assert fields.named == 3


@pytest.mark.parametrize(
    "text",
    [
        "a " * 10_000,
        "a." * 10_000,
        "a'" * 10_000,
        "1," * 10_000,
        "a-" * 10_000,
        "'" * 20_000,
        "ก" + "\u0e34" * 20_000,
        "กิ-" * 7_000,
        "กิ" * 10_000,
        "\u0e34" * 20_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()  # whatever else the machine does

    indexed(title=text, description=text)
    list(spans(text))

    assert time.process_time() - started < 1
