"""Writes letters: what a template says with its values, as HTML and as plain text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

_SHOP: Final = "Bookstore"


@dataclass(frozen=True)
class Letter:
    """To whom, about what, and the template `templates/<template>.html` and `.txt` with its values."""

    template: str
    to: str
    subject: str
    at: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The letter's two forms."""

    html: str
    text: str


@cache
def _templates() -> Environment:
    # A name that is missing is an error, and everything in HTML is escaped: names and titles are anybody's text.
    return Environment(
        loader=PackageLoader("app.mail"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(letter: Letter) -> Rendered:
    """Fill the letter's templates."""
    values = {"shop": _SHOP, "subject": letter.subject, **letter.values}
    html, text = (_templates().get_template(f"{letter.template}.{kind}").render(values) for kind in ("html", "txt"))
    return Rendered(html=html, text=text)
