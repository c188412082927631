from collections.abc import AsyncIterator

import pytest

from app.lifespan import Resources
from app.payments.gateway import Gateway
from app.payments.stripe_gateway import StripeGateway
from app.payments.till import Till
from app.settings import Settings
from tests.payments.weather import Weather, weather_over


@pytest.fixture
async def weather(settings: Settings) -> AsyncIterator[Weather]:
    """A proxy before the stack's gateway, which makes bad weather when told to."""
    async with weather_over(settings.stripe_api_base) as proxy:
        yield proxy


@pytest.fixture(params=["direct", "proxied", "forgetful"])
async def gateway(settings: Settings, weather: Weather, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """The gateway itself; through the proxy; and as one that keeps no idempotency keys."""
    weather.keeps_keys = request.param != "forgetful"
    base = settings.stripe_api_base if request.param == "direct" else weather.url
    made = StripeGateway(settings.model_copy(update={"stripe_api_base": base, "payment_deadline_seconds": 30.0}))
    yield made
    await made.aclose()


@pytest.fixture
async def impatient(settings: Settings, weather: Weather) -> AsyncIterator[Gateway]:
    """The gateway through the proxy, given up after a second: for what never answers."""
    made = StripeGateway(settings.model_copy(update={"stripe_api_base": weather.url, "payment_deadline_seconds": 1.0}))
    yield made
    await made.aclose()


@pytest.fixture(params=[True, False], ids=["keys kept", "keys forgotten"])
async def till(
    shop: Resources, settings: Settings, weather: Weather, request: pytest.FixtureRequest
) -> AsyncIterator[Till]:
    """The shop's till behind the weather; once with a gateway that keeps no idempotency keys."""
    weather.keeps_keys = request.param
    gateway = StripeGateway(settings.model_copy(update={"stripe_api_base": weather.url}))
    yield Till(shop.writer, gateway)
    await gateway.aclose()
