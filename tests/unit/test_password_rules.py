import pytest

from app.errors import InvalidInput
from app.password_rules import _frequent, check_password, is_common

OWN = ("ada.lovelace@example.com", "countess", "Ada", "Lovelace")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password_too_short"),
        ("1234567", "password_too_short"),
        ("ぱすわーどです", "password_too_short"),
        ("x" * 129, "password_too_long"),
        ("password", "password_common"),
        ("Password", "password_common"),
        ("P@ssw0rd", "password_common"),
        ("password123", "password_common"),
        ("!!password!!", "password_common"),
        ("passwordpassword", "password_common"),
        ("letmein2024", "password_common"),
        ("qwertyuiop", "password_common"),
        ("qwerty123", "password_common"),
        ("1q2w3e4r", "password_common"),
        ("12345678", "password_common"),
        ("0987654321", "password_common"),
        ("aaaaaaaa", "password_common"),
        ("abababab", "password_common"),
        ("abcabcabc", "password_common"),
        ("iloveyou!", "password_common"),
        ("Summer2024!", "password_common"),
        ("dragonmonkey", "password_common"),
        ("bookstore1", "password_common"),
        ("19840512", "password_common"),
        ("correcthorsebatterystaple", "password_common"),
        # Seasons, months and days with a year, in several languages and disguises
        *[
            (one, "password_common")
            for one in ("Winter24!", "5ummer2024", "sommer2024", "Dezember24", "verano2025", "Monday01")
        ],
        # Walks over keyboards and number pads, down their columns, with shift, in turns
        *[
            (one, "password_common")
            for one in ("1qaz2wsx", "!QAZ2wsx", "zaq12wsx", "9ijn8uhb", "147258369", "159753456")
        ],
        *[
            (one, "password_common")
            for one in ("1q2w3e4r5t!Q", "qwe123qwe", "123qweasd", "!@#$%^&*", "qwerty2024", "йцукенгш")
        ],
        # Letters as digits and signs
        *[
            (one, "password_common")
            for one in ("P@$$w0rd", "p455w0rd", "Pa$$word1", "l3tm31n!", "P@ssword2024", "f00tball")
        ],
        # Words said twice, backwards, two in a row, with little words between
        *[
            (one, "password_common")
            for one in ("Password1Password1", "hellohello", "drowssap", "ilovebooks", "welcometobookstore")
        ],
        # The shop's own name
        *[
            (one, "password_common")
            for one in ("Bookstore2024!", "b00kst0re", "MyBookstore1", "bookstore-login", "B00kShop!!")
        ],
        # Whole words that leaks are full of
        *[
            (one, "password_common")
            for one in ("midnight", "M1dnight99!", "cocacola", "liverpool8", "ncc1701d", "fktrcfylh")
        ],
        # Numbers alone
        *[(one, "password_common") for one in ("31415926", "13579246", "20021984", "01632960001")],
        ("ada.lovelace@example.com", "password_personal"),
        ("Countess1", "password_personal"),
        ("lovelace99", "password_personal"),
        ("countess-lovelace", "password_personal"),
        ("L0vel4ce99", "password_personal"),
        ("ecalevol", "password_personal"),
        ("Countess!Countess!", "password_personal"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_password(password, pointer="/password", own=OWN)

    assert [(field.pointer, field.code) for field in refusal.value.fields] == [("/password", code)]


@pytest.mark.parametrize(
    "password",
    [
        "seven lamps by the harbour",
        "eleven umbrellas, one hat",
        "gVk2#xq9",
        "tromboneglacier",
        "mein Fahrrad ist kaputt",
        "пароль-не-угадать",
        "x" * 60 + "y7" * 34,
        "ada likes trombone glaciers",
        "47 ducks cross the A40",
        "quietly walking northwards",
        "Zk4v-9Tqp-m2Lx",
        "8473 0192 5563 7781",
        "midnight umbrella harvest",
        "кот читает газету утром",
        "qwertz is no keyboard walk when the sentence goes on",
    ],
)
def test_what_nobody_guesses_is_taken(password: str) -> None:
    check_password(password, pointer="/password", own=OWN)


def test_no_word_that_leaks_are_full_of_is_taken_with_what_people_add() -> None:
    """Each of the most frequent: capitalised, with a year and a sign, as people do who are asked for all of them."""
    frequent = [word for word in _frequent() if word.isalpha() and len(word) >= 6]
    assert len(frequent) > 5_000

    for word in frequent[:2_000]:
        for password in (f"{word.capitalize()}2024!", f"!{word}99"):
            assert is_common(password), password
