"""Knows what one e-mail address is, as an operator writes it."""

from email.headerregistry import AddressHeader, HeaderRegistry
from typing import Final

_HEADERS: Final = HeaderRegistry()


def address_of(text: str) -> str | None:
    """Return the one address that this names, with its owner's name before it or without (RFC 5322, 3.4); else None."""
    try:
        header = _HEADERS("From", text)
    except ValueError:
        return None
    if not isinstance(header, AddressHeader) or header.defects or len(header.addresses) != 1:
        return None
    [address] = header.addresses
    return address.addr_spec if address.domain else None
