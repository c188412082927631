import pytest
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from app.proxies import Proxies
from app.settings import Settings

RANDOM = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        pytest.param("10.0.0.2", ["203.0.113.9"], "203.0.113.9", id="our proxy is believed"),
        pytest.param("10.0.0.2", ["198.51.100.7, 203.0.113.9"], "203.0.113.9", id="its own word is the last"),
        pytest.param("10.0.0.2", ["198.51.100.7", "203.0.113.9"], "203.0.113.9", id="of the last header"),
        pytest.param("10.0.0.2", ["2001:db8::1"], "2001:db8::1", id="IPv6"),
        pytest.param("10.0.0.2", ["nonsense"], "10.0.0.2", id="what is no address isn't taken"),
        pytest.param("10.0.0.2", [], "10.0.0.2", id="our proxy asks for itself"),
        pytest.param("203.0.113.9", ["198.51.100.7"], "203.0.113.9", id="strangers aren't believed"),
        pytest.param("10.1.0.2", ["198.51.100.7"], "10.1.0.2", id="nor their neighbours"),
    ],
)
def test_only_our_proxy_says_who_asks(peer: str, said: list[str], address: str) -> None:
    proxies = Proxies(Settings(secret_key=RANDOM, trusted_proxies="127.0.0.0/8 10.0.0.0/16"))
    raw = Headers(raw=[(b"x-forwarded-for", one.encode()) for one in said]).raw
    request = HTTPConnection({"type": "http", "client": (peer, 4711), "headers": raw})

    assert proxies.address_of(request) == address
