"""Shapes postal addresses."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.schemas.fields import Line

_CODES: Final = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA
GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS
MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW
TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

COUNTRIES: Final = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2."""


def _known_country(code: str) -> str:
    if code not in COUNTRIES:
        raise PydanticCustomError("unknown_country", "must be a country code of ISO 3166-1 alpha-2, such as DE")
    return code


Country = Annotated[
    str, AfterValidator(_known_country), Field(json_schema_extra={"enum": sorted(COUNTRIES), "examples": ["DE"]})
]
"""A country, by its ISO 3166-1 alpha-2 code in capitals."""


class Address(BaseModel):
    """Where a parcel goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Line, Field(max_length=200)]
    line1: Annotated[Line, Field(max_length=200)]
    line2: Annotated[Line, Field(max_length=200)] | None = None
    city: Annotated[Line, Field(max_length=100)]
    region: Annotated[Line, Field(max_length=100)] | None = None
    postal_code: Annotated[Line, Field(max_length=20)]
    country: Country
    phone: Annotated[Line, Field(max_length=40)] | None = None
