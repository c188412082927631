"""Writes subjects into letters as they are: every character of a title, and nothing that a title makes of itself."""

from email.header import Header
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.policy import SMTP, Policy
from typing import Any, Final


class Subject(UnstructuredHeader):
    """A subject's text, encoded as a whole (RFC 2047) unless it is plain.

    The library's own header decodes what looks encoded, line breaks included, and loses spaces where it folds text of
    more than one script (python/cpython#92081).
    """

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take the text for no more than text."""
        kwds["parse_tree"] = cls.value_parser("")
        kwds["decoded"] = value

    def fold(self, *, policy: Policy) -> str:
        """Return the header's lines."""
        text = str(self)
        plain = text.isascii() and "=?" not in text
        header = Header(text, "us-ascii" if plain else "utf-8", header_name="Subject")
        return f"Subject: {header.encode(linesep=policy.linesep)}{policy.linesep}"


_HEADERS: Final = HeaderRegistry()
_HEADERS.map_to_type("subject", Subject)  # type: ignore[arg-type]  # typeshed: it is mixed into a BaseHeader

LETTERS: Final = SMTP.clone(header_factory=_HEADERS)
"""The policy of letters: SMTP's lines, and subjects as they are."""
