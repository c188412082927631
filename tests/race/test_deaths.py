"""Kills a replica at each step of a purchase: who sends the same request again gets the same order, charged once."""

import uuid
from pathlib import Path

import pytest

from app.payments.stripe_gateway import StripeGateway
from app.settings import Settings
from tests.factories.buying import a_stocked_book
from tests.payments.weather import weather_over
from tests.race.buyers import VISA, open_market
from tests.race.farm import running_farm
from tests.race.payment_sabotage import DEATHS


@pytest.mark.parametrize("death", list(DEATHS))
async def test_a_retry_gives_the_same_order_charged_once(settings: Settings, tmp_path: Path, death: str) -> None:
    died = tmp_path / "died"
    gateway = StripeGateway(settings)
    async with weather_over(settings.stripe_api_base) as weather:
        weather.keeps_keys = False  # then keys of ours are all there is
        environment = {"BOOKSTORE_STRIPE_API_BASE": weather.url, "DIE_ONCE": str(died)}
        async with (
            running_farm(settings, tmp_path, sabotage=death, environment=environment) as farm,
            open_market(settings, farm) as market,
        ):
            # given: what staff does to have a book to sell doesn't count
            died.touch()
            book = await a_stocked_book(market.staff, 5)
            died.unlink()
            key = uuid.uuid4().hex

            # when
            first = await market.buy((book, 1), key=key, payment_method=VISA)
            again = await market.buy((book, 1), key=key, payment_method=VISA)

            # then
            assert died.exists()
            assert (first.status_code, again.status_code) == (201, 201)
            assert again.content == first.content
            placed = first.json()
            assert (placed["status"], placed["payment"]["status"]) == ("paid", "paid")
            orders = await market.database["orders"].find({"lines.book_id": book}).to_list()
            assert [(order["_id"], order["captured"]) for order in orders] == [
                (placed["id"], placed["total"]["amount"])
            ]
            entries = await market.database["ledger_entries"].find({"order_id": placed["id"]}).to_list()
            assert [entry["amount"] for entry in entries] == [placed["total"]["amount"]]
            intent = await gateway.fetch_intent(placed["payment"]["client_secret"].partition("_secret")[0])
            assert intent.received == placed["total"]["amount"]
            assert await market.wrong_stock(book) == []
    await gateway.aclose()
