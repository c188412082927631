import json
import time

import httpx
import pytest
import stripe
from pydantic import SecretStr

from app.errors import PaymentDeclined, PaymentGatewayUnavailable, WebhookSignatureInvalid
from app.ids import new_id
from app.payments.gateway import Gateway, Intent, IntentStatus, RequestRefused
from app.payments.stripe_gateway import NoGateway, StripeGateway, gateway_of
from app.settings import Settings
from tests.payments.weather import Fault, Weather

AMOUNT = 1299
VISA = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclined"


async def an_intent(gateway: Gateway, payment_id: str | None = None) -> Intent:
    return await gateway.create_intent(
        payment_id=payment_id or new_id("pay"), order_id=new_id("ord"), amount=AMOUNT, currency="USD"
    )


async def test_an_intent_waits_for_its_money(gateway: Gateway) -> None:
    payment_id = new_id("pay")

    made = await an_intent(gateway, payment_id)

    assert (made.status, made.amount, made.currency) == (IntentStatus.REQUIRES_PAYMENT_METHOD, AMOUNT, "USD")
    assert (made.received, made.payment_id, made.failure) == (0, payment_id, None)
    assert made.client_secret
    assert await gateway.fetch_intent(made.id) == made


async def test_an_intent_is_charged_once(gateway: Gateway) -> None:
    made = await an_intent(gateway)

    paid = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
    again = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="2")

    assert (paid.status, paid.received) == (IntentStatus.SUCCEEDED, AMOUNT)
    assert again == paid == await gateway.fetch_intent(made.id)


async def test_after_a_refused_card_another_may_pay(gateway: Gateway) -> None:
    made = await an_intent(gateway)

    with pytest.raises(PaymentDeclined) as declined:
        await gateway.confirm_intent(made.id, payment_method=DECLINED, attempt="1")
    refused = await gateway.fetch_intent(made.id)
    paid = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="2")

    assert (declined.value.code, declined.value.detail) == ("payment_declined", "Your card was declined.")
    assert (refused.status, refused.received) == (IntentStatus.REQUIRES_PAYMENT_METHOD, 0)
    assert refused.failure == "Your card was declined."
    assert (paid.status, paid.received, paid.failure) == (IntentStatus.SUCCEEDED, AMOUNT, None)


async def test_a_card_that_there_is_not_is_refused(gateway: Gateway) -> None:
    made = await an_intent(gateway)

    with pytest.raises(RequestRefused) as refused:
        await gateway.confirm_intent(made.id, payment_method="pm_of_nobody", attempt="1")

    assert (refused.value.reason, refused.value.parameter) == ("resource_missing", "payment_method")
    assert await gateway.fetch_intent(made.id) == made


async def test_a_cancelled_intent_takes_no_money(gateway: Gateway) -> None:
    made = await an_intent(gateway)

    gone = await gateway.cancel_intent(made.id)
    again = await gateway.cancel_intent(made.id)
    late = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")

    assert gone.status == again.status == late.status == IntentStatus.CANCELED
    assert late.received == 0


async def test_a_paid_intent_is_not_cancelled(gateway: Gateway) -> None:
    made = await an_intent(gateway)
    paid = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")

    assert await gateway.cancel_intent(made.id) == paid


async def test_refunds_end_at_what_was_paid(gateway: Gateway) -> None:
    made = await an_intent(gateway)
    await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
    first, second = new_id("rf"), new_id("rf")

    part = await gateway.refund(made.id, refund_id=first, amount=300)
    rest = await gateway.refund(made.id, refund_id=second, amount=AMOUNT - 300)
    with pytest.raises(RequestRefused):
        await gateway.refund(made.id, refund_id=new_id("rf"), amount=1)

    assert (part.amount, part.refund_id, part.currency) == (300, first, "USD")
    found = sorted(await gateway.refunds_of(made.id), key=lambda refund: refund.amount)
    assert found == [part, rest]


async def test_nothing_is_refunded_where_nothing_was_paid(gateway: Gateway) -> None:
    made = await an_intent(gateway)

    with pytest.raises(RequestRefused):
        await gateway.refund(made.id, refund_id=new_id("rf"), amount=AMOUNT)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SILENCE])
@pytest.mark.parametrize("what", ["payment_intents", "confirm", "refunds"])
async def test_whatever_breaks_a_repeat_gives_the_same(
    settings: Settings, weather: Weather, what: str, fault: Fault
) -> None:
    # given
    base = {"stripe_api_base": weather.url, "payment_deadline_seconds": 30.0}
    gateway = StripeGateway(settings.model_copy(update=base))
    payment_id, refund_id = new_id("pay"), new_id("rf")
    order_id = new_id("ord")

    async def all_of_it() -> tuple[str, int, str]:
        made = await gateway.create_intent(payment_id=payment_id, order_id=order_id, amount=AMOUNT, currency="USD")
        paid = await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
        back = await gateway.refund(made.id, refund_id=refund_id, amount=300)
        return made.id, paid.received, back.id

    # when: the library itself repeats once, so it takes two to be noticed
    weather.strike(what, fault, times=2)
    with pytest.raises(PaymentGatewayUnavailable):
        await all_of_it()
    weather.clear()
    first = await all_of_it()
    second = await all_of_it()

    # then
    assert first == second
    intent = await gateway.fetch_intent(first[0])
    assert (intent.received, [refund.amount for refund in await gateway.refunds_of(intent.id)]) == (AMOUNT, [300])
    await gateway.aclose()


@pytest.mark.parametrize("gateway", ["proxied"], indirect=True)
@pytest.mark.parametrize("what", ["payment_intents", "confirm", "refunds"])
async def test_failures_that_the_gateway_keeps_are_not_its_last_word(
    gateway: Gateway, weather: Weather, what: str
) -> None:
    # given
    made = await an_intent(gateway)
    if what == "refunds":
        await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
    ids, refund_id = {"payment_id": new_id("pay"), "order_id": new_id("ord")}, new_id("rf")

    async def do_it() -> str:
        match what:
            case "payment_intents":
                return (await gateway.create_intent(**ids, amount=AMOUNT, currency="USD")).id
            case "confirm":
                return (await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")).id
        return (await gateway.refund(made.id, refund_id=refund_id, amount=300)).id

    # when: it goes on for a while
    weather.strike(what, Fault.BROKEN, times=100)
    for _ in range(4):
        with pytest.raises(PaymentGatewayUnavailable):
            await do_it()
    weather.clear()
    first, second = await do_it(), await do_it()

    # then
    assert first == second
    if what != "payment_intents":
        assert (await gateway.fetch_intent(made.id)).received == AMOUNT
        given = await gateway.refunds_of(made.id)
        assert [refund.amount for refund in given] == ([300] if what == "refunds" else [])


@pytest.mark.parametrize("gateway", ["direct"], indirect=True)
async def test_the_stand_in_keeps_also_what_broke(gateway: Gateway, settings: Settings) -> None:
    # given: something that it stumbles over
    made = await an_intent(gateway)
    await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
    asked, key = {"payment_intent": made.id, "amount": "much"}, {"Idempotency-Key": new_id("key")}

    # when
    auth = (settings.stripe_api_key.get_secret_value(), "")
    async with httpx.AsyncClient(base_url=settings.stripe_api_base, trust_env=False, auth=auth) as asking:
        answers = [await asking.post("/v1/refunds", data=asked, headers=key) for _ in range(3)]

    # then
    told = [(one.status_code, one.headers.get("Idempotent-Replayed")) for one in answers]
    assert told == [(500, None), (500, "true"), (500, "true")]


@pytest.mark.parametrize("gateway", ["proxied"], indirect=True)
@pytest.mark.parametrize("what", ["confirm", "refunds"])
async def test_silence_is_an_unknown_outcome(gateway: Gateway, impatient: Gateway, weather: Weather, what: str) -> None:
    # given
    made = await an_intent(gateway)
    refund_id = new_id("rf")
    if what == "refunds":
        await gateway.confirm_intent(made.id, payment_method=VISA, attempt="1")
    weather.strike(what, Fault.SILENCE, times=2)

    async def do_it(by: Gateway) -> int:
        if what == "confirm":
            return (await by.confirm_intent(made.id, payment_method=VISA, attempt="1")).received
        return (await by.refund(made.id, refund_id=refund_id, amount=300)).amount

    # when
    with pytest.raises(PaymentGatewayUnavailable):
        await do_it(impatient)
    await weather.until_done(what)
    weather.clear()

    # then: it was done, and a repeat doesn't do it again
    assert await do_it(gateway) == (AMOUNT if what == "confirm" else 300)
    assert (await gateway.fetch_intent(made.id)).received == AMOUNT
    refunds = await gateway.refunds_of(made.id)
    assert [refund.amount for refund in refunds] == ([] if what == "confirm" else [300])


async def test_a_gateway_that_is_down_is_an_unknown_outcome(settings: Settings) -> None:
    gateway = StripeGateway(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"}))

    with pytest.raises(PaymentGatewayUnavailable):
        await an_intent(gateway)

    await gateway.aclose()


def signed(body: bytes, secret: str, *, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    header: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=moment)
    return header


EVENT = json.dumps(
    {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"object": "payment_intent", "id": "pi_1"}}}
).encode()


def test_an_event_says_whom_to_ask_about(settings: Settings) -> None:
    gateway = gateway_of(settings)
    secret = settings.stripe_webhook_secret.get_secret_value()

    event = gateway.read_event(EVENT, signed(EVENT, secret))

    assert (event.id, event.kind, event.intent_id) == ("evt_1", "payment_intent.succeeded", "pi_1")


def test_an_event_about_a_charge_names_its_intent(settings: Settings) -> None:
    body = json.dumps(
        {"id": "evt_2", "type": "charge.refunded", "data": {"object": {"object": "charge", "payment_intent": "pi_2"}}}
    ).encode()

    event = gateway_of(settings).read_event(body, signed(body, settings.stripe_webhook_secret.get_secret_value()))

    assert event.intent_id == "pi_2"


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1",
        "v1=abc",
        "t=now,v1=abc",
        "nonsense",
        signed(EVENT, "whsec_of_somebody_else"),
        signed(EVENT + b" ", "whsec_test"),
        signed(EVENT, "whsec_test", at=time.time() - 301),
        signed(EVENT, "whsec_test").replace("v1=", "v0="),
        f"t={'9' * 900},v1=abc",
        "t=-1,v1=",
        "t=1,v1",
        "t=1,v1=abc,v1=,v1=xyz",
        "t=1,v1=\xff",
        "t=\xb2,v1=abc",
    ],
    ids=[
        "none",
        "empty",
        "half",
        "other half",
        "no time",
        "nonsense",
        "forged",
        "other body",
        "old",
        "old scheme",
        "huge time",
        "empty signature",
        "no signature",
        "several",
        "not ASCII",
        "time not ASCII",
    ],
)
def test_what_we_did_not_sign_is_not_believed(settings: Settings, signature: str | None) -> None:
    gateway = StripeGateway(settings.model_copy(update={"stripe_webhook_secret": SecretStr("whsec_test")}))

    with pytest.raises(WebhookSignatureInvalid):
        gateway.read_event(EVENT, signature)


async def test_without_a_key_there_is_no_gateway_and_nobody_is_believed(settings: Settings) -> None:
    gateway = gateway_of(
        settings.model_copy(update={"stripe_api_key": SecretStr(""), "stripe_webhook_secret": SecretStr("")})
    )

    assert isinstance(gateway, NoGateway)
    with pytest.raises(PaymentGatewayUnavailable):
        await an_intent(gateway)
    with pytest.raises(WebhookSignatureInvalid):
        gateway.read_event(EVENT, signed(EVENT, ""))
