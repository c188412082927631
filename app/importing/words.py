"""Makes up words and names for synthetic books: pronounceable, and as unevenly frequent as real ones."""

import math
from random import Random
from typing import Final

_ONSETS_TEXT: Final = """
b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sk sl sn sp st str sw t th tr v w z
"""
_VOWELS_TEXT: Final = "a e i o u a e i o ai ea ee oa oo ou"
_ONSETS: Final = _ONSETS_TEXT.split()
_VOWELS: Final = _VOWELS_TEXT.split()
_CODAS: Final = ["", "", "n", "r", "l", "s", "t", "m", "d", "nd", "st", "ck", "rn", "ng", "x", "p"]
_SYLLABLES: Final = [onset + vowel + coda for onset in _ONSETS for vowel in _VOWELS for coda in _CODAS]
_SHORT_WORDS: Final = 1_500
"""The most frequent words have one syllable, as in real languages (Zipf 1935)."""

_SCATTER: Final = 7_368_787
"""A prime: multiplying by it modulo the number of words spreads neighbours in rank over the whole space."""

STOP_WORDS: Final = ("the", "of", "and", "a", "in", "to", "for", "with", "from", "on", "at", "by")

_NAMES_TEXT: Final = """
Ada Adam Agnes Ahmed Aisha Akira Alice Amara Ana Anders Anna Anton Asha Astrid Ben Bianca Boris Brigid Carla
Carlos  Chen Chloe Clara Daniel David Diego Dmitri Edith Elena Elif Emil Emma Erik Esther Eva Farid Fatima Felix
Fiona Frida  George Grace Greta Hana Hannah Henry Hugo Ida Ines Ingrid Irene Isaac Ivan Jack James Jan Jasmin
Johan John Jorge  Julia Kamal Karin Kenji Laila Lars Laura Leo Lena Liam Lucia Luis Magnus Maria Marta Mateo Mei
Mina Nadia Nils Nina  Nora Olga Oscar Pablo Paul Pedro Petra Priya Rachel Ravi Rosa Ruth Samir Sara Sofia Sven
Tariq Tessa Thomas Tomas  Vera Victor Yara Yuki Zoe
"""
_FIRST_NAMES: Final = _NAMES_TEXT.split()


def rank(random: Random, *, size: int, flatness: int) -> int:
    """Draw a rank from 0 to `size` - 1 by the law of Zipf and Mandelbrot: probability as 1 / (rank + `flatness`)."""
    drawn = flatness * math.exp(random.random() * math.log((size + flatness) / flatness)) - flatness
    return min(int(drawn), size - 1)


def word(number: int) -> str:
    """Return the word of this rank, always the same; two ranks may, seldom, share one."""
    if number < _SHORT_WORDS:
        return _SYLLABLES[number * _SCATTER % len(_SYLLABLES)]
    index = number * _SCATTER % (len(_SYLLABLES) ** 2)
    first, second = divmod(index, len(_SYLLABLES))
    return _SYLLABLES[first] + _SYLLABLES[second]


def person(number: int) -> str:
    """Return the name of the author of this rank, always the same."""
    first = _FIRST_NAMES[number * 31 % len(_FIRST_NAMES)]
    middle = f" {chr(ord('A') + number % 26)}." if number % 5 == 0 else ""
    return f"{first}{middle} {word(_SHORT_WORDS + number * 7 // 2).capitalize()}"
