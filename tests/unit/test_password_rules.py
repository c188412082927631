import pytest

from app.errors import InvalidInput
from app.password_rules import check_password

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
        ("ada.lovelace@example.com", "password_personal"),
        ("Countess1", "password_personal"),
        ("lovelace99", "password_personal"),
        ("countess-lovelace", "password_personal"),
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
    ],
)
def test_what_nobody_guesses_is_taken(password: str) -> None:
    check_password(password, pointer="/password", own=OWN)
