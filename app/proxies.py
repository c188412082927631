"""Finds out from which address a request comes, when only our own proxy is to be believed."""

import ipaddress

from starlette.requests import HTTPConnection

from app.settings import Settings


class Proxies:
    """The networks of our own proxies."""

    def __init__(self, settings: Settings) -> None:
        """Read the networks from the settings."""
        self._trusted = [ipaddress.ip_network(one) for one in settings.trusted_proxies.split()]

    def address_of(self, request: HTTPConnection) -> str | None:
        """Return the client's address: what our proxy says, or who is connected; None where neither is an address.

        The last entry of the last `X-Forwarded-For` is our proxy's; whatever stands before it anybody may have written.
        """
        peer = _address(request.client.host) if request.client else None
        if peer is None or not any(ipaddress.ip_address(peer) in network for network in self._trusted):
            return peer
        said = request.headers.getlist("x-forwarded-for")
        return (_address(said[-1].rpartition(",")[2].strip()) if said else None) or peer


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
