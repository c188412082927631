import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwt

from app import clock
from app.lifespan import Resources
from app.security import Role, derived_key
from app.services.accounts import open_session_for
from app.settings import Settings
from tests.factories.books import API

GUARDED = f"{API}/inventory/low-stock"


SUBJECT = {"sub": "", "sid": ""}


@pytest.fixture(autouse=True)
async def _somebody(shop: Resources) -> None:
    tokens = await open_session_for(shop.desk, Role.STAFF)
    claims = jwt.get_unverified_claims(tokens.access_token)
    SUBJECT.update({name: claims[name] for name in SUBJECT})


def _claims(**overrides: Any) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    claims = {
        "iss": "bookstore",
        "aud": "bookstore-api",
        **SUBJECT,
        "role": "staff",
        "jti": "jti_01J00000000000000000000000",
        "iat": now,
        "nbf": now,
        "exp": now + 60,
    } | overrides
    return {name: value for name, value in claims.items() if value is not None}


def _key(settings: Settings) -> str:
    return derived_key(settings, "access-token").hex()


def _signed(settings: Settings, **overrides: Any) -> str:
    return jwt.encode(_claims(**overrides), _key(settings), algorithm="HS256")


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _with_header(settings: Settings, header: object) -> str:
    _, payload, signature = _signed(settings).split(".")
    return f"{_segment(header)}.{payload}.{signature}"


async def _ask(client: httpx.AsyncClient, authorization: str) -> httpx.Response:
    return await client.get(GUARDED, headers={b"Authorization": authorization.encode("latin-1")})


async def test_a_token_with_every_claim_is_taken(
    client: httpx.AsyncClient, shop: Resources, settings: Settings
) -> None:
    for token in (_signed(settings), (await open_session_for(shop.desk, Role.ADMIN)).access_token):
        assert (await _ask(client, f"Bearer {token}")).status_code == 200
        assert (await _ask(client, f"bearer {token}")).status_code == 200


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "role", "jti", "iat", "nbf", "exp"])
async def test_every_claim_is_needed(client: httpx.AsyncClient, settings: Settings, claim: str) -> None:
    response = await _ask(client, f"Bearer {_signed(settings, **{claim: None})}")

    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


def _refused(response: httpx.Response) -> bool:
    return (response.status_code, response.json()["code"], response.headers["www-authenticate"]) == (
        401,
        "invalid_token",
        'Bearer realm="bookstore", error="invalid_token"',
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda s: _signed(s, exp=int(clock.now().timestamp()) - 1),
        lambda s: _signed(s, nbf=int(clock.now().timestamp()) + 60),
        lambda s: _signed(s, aud="another-api"),
        lambda s: _signed(s, aud=["bookstore-api", 7]),
        lambda s: _signed(s, iss="another-shop"),
        lambda s: _signed(s, role="owner"),
        lambda s: _signed(s, role=["staff"]),
        lambda s: _signed(s, sub={"$ne": ""}),
        lambda s: _signed(s, exp="soon"),
        lambda s: jwt.encode(_claims(), s.secret_key.get_secret_value(), algorithm="HS256"),
        lambda s: jwt.encode(_claims(), _key(s), algorithm="HS512"),
        lambda s: _with_header(s, {"alg": "none"}),
        lambda s: _with_header(s, {"alg": "RS256"}),
        lambda s: _with_header(s, {"alg": ["HS256"]}),
        lambda s: _with_header(s, {"typ": "JWT"}),
        lambda s: _with_header(s, ["HS256"]),
        lambda s: _with_header(s, {"alg": "HS256", "kid": "../../../dev/null"}),
        lambda s: _signed(s)[:-2],
        lambda s: _signed(s) + "A",
        lambda s: _signed(s).replace(".", ""),
        lambda s: _signed(s, jti="x" * 5000),
    ],
)
async def test_a_token_that_does_not_hold_is_refused(
    client: httpx.AsyncClient, settings: Settings, make: Callable[[Settings], str]
) -> None:
    assert _refused(await _ask(client, f"Bearer {make(settings)}"))


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(_claims(), "another key of the same length, at least 32 characters", algorithm="HS256"),
        f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(_claims())}.",
        f"{_segment({'alg': 'None'})}.{_segment(_claims())}.{_segment('x')}",
        "[" * 3000,
        base64.urlsafe_b64encode(b"[" * 2900).decode().rstrip("=") + ".e30.e30",
        base64.urlsafe_b64encode(b'{"alg":"\xff"}').decode().rstrip("=") + ".e30.e30",
        "a.b.c",
        "a.b.c.d.e",
        "...",
        "null",
    ],
    ids=lambda token: token[:16],
)
async def test_a_made_up_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    assert _refused(await _ask(client, f"Bearer {token}"))


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic c3RhZmY6c3RhZmY=", "token", "Bearer \xff\xfe"]
)
async def test_what_is_no_bearer_token_is_no_authentication(client: httpx.AsyncClient, authorization: str) -> None:
    response = await _ask(client, authorization)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")


async def test_a_public_key_is_no_shared_secret(client: httpx.AsyncClient) -> None:
    """Algorithm confusion: a token signed by HMAC with what a server publishes as its RSA key (CVE-2015-9235)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    header, payload = _segment({"alg": "HS256", "typ": "JWT"}), _segment(_claims())
    mac = hmac.new(public, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    confused = f"{header}.{payload}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    for token in (confused, jwt.encode(_claims(), private.decode(), algorithm="RS256")):
        assert _refused(await _ask(client, f"Bearer {token}"))


async def test_edited_claims_are_refused(client: httpx.AsyncClient, settings: Settings) -> None:
    header, _, signature = _signed(settings).split(".")

    for edited in ({"role": "admin"}, {"sub": "usr_01J00000000000000000000000"}, {"exp": 4_000_000_000}):
        assert _refused(await _ask(client, f"Bearer {header}.{_segment(_claims(**edited))}.{signature}"))


async def test_what_a_token_says_of_the_role_is_not_believed(
    client: httpx.AsyncClient, shop: Resources, settings: Settings
) -> None:
    """Not even where somebody has our key: the session says who may do what."""
    customer = jwt.get_unverified_claims((await open_session_for(shop.desk, Role.CUSTOMER)).access_token)
    claims = {"sub": customer["sub"], "sid": customer["sid"], "role": "admin"}

    answer = await _ask(client, f"Bearer {_signed(settings, **claims)}")

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


async def test_a_session_is_good_for_its_own_user_alone(
    client: httpx.AsyncClient, shop: Resources, settings: Settings
) -> None:
    other = jwt.get_unverified_claims((await open_session_for(shop.desk, Role.ADMIN)).access_token)

    for mixed in (
        {"sid": other["sid"]},
        {"sub": other["sub"]},
        {"sid": "ses_01J00000000000000000000000"},
        {"sid": "$ne"},
    ):
        answer = await _ask(client, f"Bearer {_signed(settings, **mixed)}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked"), mixed
