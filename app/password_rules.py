"""Says which passwords are too easy to guess (NIST SP 800-63B, section 3.1.1.2: long, not common, no recipes)."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

from app.errors import FieldError, InvalidInput
from app.names import folded

SHORTEST: Final = 8
LONGEST: Final = 128

_LEET: Final = str.maketrans("013457@$!|+", "oieastasiit")
_ROWS: Final = (
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "azertyuiop",
    "qwertzuiop",
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
)
_OWN_WORD: Final = 4
"""Shorter names occur in anything."""

_WALK: Final = 4
_ADDED: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_REPEATED: Final = re.compile(r"(.{1,4}?)\1+")


def check_password(password: str, *, pointer: str, own: Iterable[str | None] = ()) -> None:
    """Let a new password through, or say what is wrong with it. `own` are the user's names and addresses.

    Raises:
        InvalidInput: it is too short or long, commonly used, or made of the user's own names.
    """
    fault = _fault(unicodedata.normalize("NFKC", password), [word for word in own if word])
    if fault is not None:
        code, detail = fault
        raise InvalidInput(FieldError(pointer, code, detail))


def _fault(password: str, own: list[str]) -> tuple[str, str] | None:
    if len(password) < SHORTEST:
        return "password_too_short", f"must have at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return "password_too_long", f"must have at most {LONGEST} characters"
    if is_common(password):
        return "password_common", "is one of those that are tried first; take several words that don't belong together"
    if _is_own(folded(password), own):
        return "password_personal", "must not be made of your own name or e-mail address"
    return None


def is_common(password: str) -> bool:
    """Tell whether attackers try it early: a word of the list, walked keys or a repetition, in the usual disguises.

    A disguise is letters swapped for digits and signs, capitals, anything but letters in front or behind, a word said
    twice, two words of the list in a row.
    """
    plain = folded(password)
    for spelling in (plain, plain.translate(_LEET)):
        letters = re.sub(r"[\W_]+", "", spelling)
        core = re.sub(r"[\W_]+", "", _ADDED.sub("", spelling))
        for word in (letters, core, core.translate(_LEET)):
            if not word or len(word) < len(letters) - SHORTEST:
                continue
            if _is_listed(word) or _is_walked(word) or _is_repeated(word):
                return True
        if not core:
            return _is_walked(letters) or _is_repeated(letters) or _is_date(letters)
    return False


def _is_listed(word: str) -> bool:
    listed = _listed()
    return word in listed or any(word[:cut] in listed and word[cut:] in listed for cut in range(3, len(word) - 2))


def _is_walked(word: str) -> bool:
    """Tell whether it is all made of runs along the keyboard's rows or the alphabet, or back; or of two in turns."""
    if len(word) >= 2 * _WALK and _is_run(word[::2]) and _is_run(word[1::2]):
        return True
    left = word
    while left:
        run = next((size for size in range(len(left), _WALK - 1, -1) if _is_run(left[:size])), 0)
        if not run:
            return len(left) < _WALK and left != word
        left = left[run:]
    return True


def _is_run(part: str) -> bool:
    return any(part in row * 2 or part[::-1] in row * 2 for row in _ROWS)


def _is_repeated(word: str) -> bool:
    found = _REPEATED.fullmatch(word)
    return found is not None or len(set(word)) <= 2  # noqa: PLR2004


def _is_date(digits: str) -> bool:
    return digits.isdigit() and len(digits) == SHORTEST and re.search(r"(19|20)\d\d", digits) is not None


def _is_own(password: str, own: list[str]) -> bool:
    words = {folded(part) for word in own for part in (word, *re.split(r"[@._\-\s+]+", word))}
    left = password
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _OWN_WORD or word == password:
            left = left.replace(word, "")
    return left != password and len(re.sub(r"[\W\d_]+", "", left)) < SHORTEST // 2


@cache
def _listed() -> frozenset[str]:
    lines = files("app").joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
