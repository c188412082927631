"""TLS at the edge, with a certificate that we signed ourselves."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.factories.certificates import self_signed
from tests.factories.ports import free_port
from tests.haproxy.edge import Edge, settings
from tests.haproxy.origin import Origin

PATH = "/api/v1/cart"


@dataclass(frozen=True)
class Secured:
    """An edge that speaks TLS."""

    edge: Edge
    origin: Origin
    url: str
    certificate: Path

    def client(self, **versions: ssl.TLSVersion) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.certificate))
        for name, version in versions.items():
            setattr(context, name, version)
        return httpx.AsyncClient(base_url=self.url, verify=context, trust_env=False, timeout=20)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    certificate = self_signed(tmp_path / "shop.pem")
    port = free_port()
    async with Origin() as origin:
        environment = settings(
            tmp_path,
            [origin],
            HAPROXY_TLS_CERT=str(certificate),
            HAPROXY_TLS_BIND=f"127.0.0.1:{port}",
            HAPROXY_TLS_PORT="443",
            HAPROXY_TRUSTED="10.0.0.1",
        )
        async with Edge(tmp_path, environment) as edge:
            yield Secured(edge, origin, f"https://127.0.0.1:{port}", certificate)


async def test_answers_over_tls_ask_for_tls_from_now_on(secured: Secured) -> None:
    async with secured.client() as client:
        answer = await client.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    assert secured.origin.seen[-1].headers["x-forwarded-proto"] == "https"


@pytest.mark.parametrize("claimed", ["https", "http"])
async def test_nobody_says_for_himself_how_he_came(secured: Secured, claimed: str) -> None:
    async with secured.client() as client:
        await client.get(PATH, headers={"X-Forwarded-Proto": claimed})

    assert secured.origin.seen[-1].headers["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
async def test_tls_of_today_is_spoken(secured: Secured, version: ssl.TLSVersion, spoken: str) -> None:
    async with secured.client(minimum_version=version, maximum_version=version) as client:
        answer = await client.get(PATH)

    assert answer.extensions["network_stream"].get_extra_info("ssl_object").version() == spoken


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_tls_is_refused(secured: Secured) -> None:
    async with secured.client() as client:
        assert (await client.get(PATH)).status_code == 200
    context = ssl.create_default_context(cafile=str(secured.certificate))
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with httpx.AsyncClient(base_url=secured.url, verify=context, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(PATH)


@pytest.mark.parametrize(
    ("host", "named"),
    [("shop.example", "shop.example"), ("shop.example:8080", "shop.example"), ("[::1]:8080", "[::1]")],
)
async def test_who_comes_without_tls_is_sent_to_it_with_method_and_body(
    secured: Secured, host: str, named: str
) -> None:
    before = len(secured.origin.seen)

    answer = await secured.edge.client.post(f"{PATH}/items?x=1", headers={"Host": host}, content=b"{}")

    assert (answer.status_code, answer.headers["location"]) == (308, f"https://{named}:443{PATH}/items?x=1")
    assert "strict-transport-security" not in answer.headers
    assert len(secured.origin.seen) == before


async def test_without_a_certificate_nothing_is_said_of_tls(tmp_path: Path) -> None:
    async with Origin() as origin, Edge(tmp_path, settings(tmp_path, [origin])) as edge:
        answer = await edge.client.get(PATH)

    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers
    assert origin.seen[-1].headers["x-forwarded-proto"] == "http"
