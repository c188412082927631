"""`GET /status`: each dependency's state and what works meanwhile."""

from pathlib import Path

import httpx
from pydantic import SecretStr

from app.lifespan import Resources
from app.services.health import status_of
from app.settings import Settings
from tests.factories.books import API

NAMES = ["mongodb", "redis-cache", "redis-broker", "payment-gateway", "mail-server", "haproxy-edge"]


async def test_everything_that_the_shop_needs_is_up(client: httpx.AsyncClient) -> None:
    told = (await client.get(f"{API}/status")).json()["dependencies"]

    assert {one["name"]: (one["state"], one["works"]) for one in told} == dict.fromkeys(NAMES, ("up", "everything"))


async def test_what_is_away_is_named_with_what_works_meanwhile(
    shop: Resources, settings: Settings, tmp_path: Path
) -> None:
    # given: nobody listens at the discard port
    edges = f"{settings.edge_sockets},{tmp_path}/nobody.sock,127.0.0.1:9"
    away = Settings.model_validate(
        settings.model_dump()
        | {
            "stripe_api_base": "http://127.0.0.1:9",
            "smtp_url": SecretStr("smtp://user:hunter2@127.0.0.1:9"),
            "edge_sockets": edges,
        }
    )

    # when
    told = {one.name: one for one in (await status_of(away, shop.database)).dependencies}

    # then
    assert {name: told[name].works for name in NAMES if told[name].state == "down"} == {
        "payment-gateway": "everything but paying and giving money back, which waits",
        "mail-server": "everything; letters wait, and are tried for three days",
        "haproxy-edge": "everything; changes of the catalogue take 6 s longer, until all kept there has run out",
    }
    assert [one["state"] for one in told["haproxy-edge"].members or []] == ["up", "down", "down"]
    assert "hunter2" not in str(told)
    assert str(tmp_path) not in str(told)


async def test_a_shop_without_edges_has_none_to_lose(shop: Resources, settings: Settings) -> None:
    alone = Settings.model_validate(settings.model_dump() | {"edge_sockets": ""})

    told = await status_of(alone, shop.database)

    assert [one.name for one in told.dependencies] == NAMES[:-1]
