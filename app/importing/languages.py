"""Maps the language codes of book data to BCP 47 tags."""

import re
from typing import Final

_CODES: Final = """
afr:af alb:sq amh:am ara:ar arm:hy aze:az baq:eu bel:be ben:bn bos:bs bul:bg bur:my cat:ca chi:zh cze:cs dan:da
dut:nl eng:en epo:eo est:et fin:fi fre:fr geo:ka ger:de gle:ga glg:gl gre:el guj:gu heb:he hin:hi hrv:hr hun:hu
ice:is ind:id ita:it jpn:ja kan:kn kaz:kk khm:km kor:ko kur:ku lao:lo lat:la lav:lv lit:lt mac:mk mal:ml may:ms
mar:mr mlt:mt mon:mn nep:ne nob:nb nno:nn nor:no per:fa pol:pl por:pt pus:ps rum:ro rus:ru san:sa sin:si slo:sk
slv:sl som:so spa:es srp:sr swa:sw swe:sv tam:ta tel:te tgl:tl tha:th tib:bo tur:tr ukr:uk urd:ur uzb:uz vie:vi
wel:cy yid:yi zul:zu sqi:sq hye:hy eus:eu mya:my zho:zh ces:cs nld:nl fra:fr kat:ka deu:de ell:el isl:is mkd:mk
msa:ms fas:fa ron:ro slk:sk bod:bo cym:cy
"""
_TO_TWO_LETTERS: Final = dict(pair.split(":") for pair in _CODES.split())
"""ISO 639-2 to ISO 639-1 (loc.gov/standards/iso639-2); both the bibliographic and the terminological form.

BCP 47 wants the shorter where both exist.
"""

_UNKNOWN: Final = frozenset({"und", "zxx", "mis"})
_TAG: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{2}|\d{3}))?")


def language_tag(code: str) -> str | None:
    """Return the BCP 47 tag that the code certainly means (`eng` is `en`, `en-US` stays), or None.

    Languages without a two-letter code keep their three letters (`fil`, `mul`); “undetermined” is None.
    """
    match = _TAG.fullmatch(code.strip())
    if match is None:
        return None
    language, region = match[1].lower(), match[2]
    if language in _UNKNOWN:
        return None
    language = _TO_TWO_LETTERS.get(language, language)
    return f"{language}-{region.upper()}" if region else language
