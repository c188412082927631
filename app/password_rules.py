"""Says which passwords are too easy to guess (NIST SP 800-63B, section 3.1.1.2: long, not common, no recipes)."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from app.errors import FieldError, InvalidInput
from app.names import folded

SHORTEST: Final = 8
LONGEST: Final = 128

_LEET: Final = (str.maketrans("013457@$!|+", "oieastasiit"), str.maketrans("0134576892@$!|+", "oleastgbgzasllt"))
_SHIFTED: Final = str.maketrans("!@#$%^&*()", "1234567890")
_ROWS: Final = (
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "qwertzuiop",
    "yxcvbnm",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    # Down and up the columns of a keyboard, and over its number pad.
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    *("3wa", "4esz", "5rdx", "6tfc", "7ygv", "8uhb", "9ijn", "0okm", "1yaq", "2wsx", "3edc", "6zhn"),
    *("147", "258", "369", "159", "357", "789", "456", "2580"),
)
_OWN_WORD: Final = 4
"""Shorter names occur in anything."""

_WALK: Final = 3
_COLUMN: Final = 4
"""Longer rows go on where they began: `890123`, `xyzabc`."""
_RUNS: Final = frozenset(
    way[at : at + _WALK]
    for row in _ROWS
    for whole in (row * 2 if len(row) > _COLUMN else row,)
    for way in (whole, whole[::-1])
    for at in range(len(way) - _WALK + 1)
)
_BESIDE_WALKS: Final = 3
"""So many characters may stand beside walked keys, and it is still little more than a walk."""

_LONGEST_PAIR: Final = 40

_DIGITS: Final = 12
"""Shorter numbers are dates and telephone numbers, and all of them are tried in seconds."""

_LITTLE: Final = frozenset(
    {"a", "i", "u", "me", "my", "to", "is", "in", "on", "of", "we", "the", "and", "for", "you", "du"}
)
_BEHIND: Final = re.compile(r"[\W\d_]+$")
_BEFORE: Final = re.compile(r"^[\W\d_]+")


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
    """Tell whether attackers try it early: words of the list, walked keys, numbers or repetitions, in disguise.

    A disguise is letters swapped for digits and signs, capitals, anything but letters in front or behind, a word
    backwards, twice, or beside another of the list.
    """
    plain = folded(password)
    if plain.isdigit() and len(plain) < _DIGITS:
        return True
    if any(_is_walked(keys) for keys in (plain, re.sub(r"[\W_]+", "", plain), plain.translate(_SHIFTED))):
        return True
    unit = _repeated(re.sub(r"[\W_]+", "", plain) or plain)
    if unit is not None and (len(unit) <= _OWN_WORD or len(set(unit)) == 1 or _is_disguised(unit)):
        return True
    return len(set(plain)) <= 2 or _is_disguised(plain)  # noqa: PLR2004


def _is_disguised(plain: str) -> bool:
    most = len(re.sub(r"[\W_]+", "", plain)) - SHORTEST
    words = {spelling for word in _undisguised(plain) if len(word) >= most for spelling in (word, word[::-1])}
    if any(len(word) > _OWN_WORD and _beside_runs(word) == 0 for word in words):
        return True
    return not words.isdisjoint(_frequent()) or any(len(word) <= _LONGEST_PAIR and _is_listed(word) for word in words)


def _undisguised(plain: str) -> Iterator[str]:
    """Yield the words that it may be a disguise of."""
    yield plain
    for bare in {plain, _BEHIND.sub("", plain), _BEFORE.sub("", plain), _BEFORE.sub("", _BEHIND.sub("", plain))}:
        for spelling in (bare, *(bare.translate(leet) for leet in _LEET)):
            yield re.sub(r"[\W_]+", "", spelling)
        yield re.sub(r"[\W\d_]+", "", bare)


def _is_listed(word: str) -> bool:
    """Tell whether it is one word of the handwritten list or two, between which little words may stand."""
    ends = {0: 0}  # how few words of the list lead to here
    for end in range(1, len(word) + 1):
        found = [
            ends[begin] + (word[begin:end] not in _LITTLE)
            for begin in ends
            if word[begin:end] in _LITTLE or (word[begin:end] in _listed() and (end - begin > 2 or begin == 0))  # noqa: PLR2004
        ]
        if found:
            ends[end] = min(found)
    return bool(word) and ends.get(len(word), _WALK) <= 2  # noqa: PLR2004


def _is_walked(keys: str) -> bool:
    """Tell whether it is made of runs along keyboards, number pads or the alphabet, or of two such in turns."""
    if SHORTEST <= len(keys) <= _LONGEST_PAIR and all(_beside_runs(half) <= 1 for half in (keys[::2], keys[1::2])):
        return True
    return _beside_runs(keys) <= _BESIDE_WALKS


def _beside_runs(keys: str) -> int:
    """Return how many characters no run of three or more covers."""
    covered: set[int] = set()
    for at in range(len(keys) - _WALK + 1):
        part = keys[at : at + _WALK]
        if part in _RUNS or len(set(part)) == 1:
            covered.update(range(at, at + _WALK))
    return len(keys) - len(covered)


def _repeated(text: str) -> str | None:
    """Return what is said twice or more often, and nothing else, if anything is."""
    size = (text + text).find(text, 1)
    return text[:size] if 0 < size < len(text) else None


def _is_own(password: str, own: list[str]) -> bool:
    words = {folded(part) for word in own for part in (word, *re.split(r"[@._\-\s+]+", word))}
    spellings = {password, password[::-1], *(password.translate(leet) for leet in _LEET)}
    return any(_is_made_of(spelling, words, whole=password) for spelling in spellings)


def _is_made_of(spelling: str, words: set[str], *, whole: str) -> bool:
    left = spelling
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _OWN_WORD or word == whole:
            left = left.replace(word, "")
    return left != spelling and len(re.sub(r"[\W\d_]+", "", left)) < SHORTEST // 2


@cache
def _listed() -> frozenset[str]:
    return _words("common_passwords.txt")


@cache
def _frequent() -> frozenset[str]:
    return _words("frequent_passwords.txt")


def _words(file: str) -> frozenset[str]:
    lines = files("app").joinpath(file).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
