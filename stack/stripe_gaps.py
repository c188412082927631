"""Teaches localstripe what it lacks of Stripe and this shop needs; each gap was found in localstripe 1.15's source.

- It forgets `Idempotency-Key`; Stripe stores the answer, a 500 too (docs.stripe.com/api/idempotent_requests).
- It takes no payment method on confirmation, and no second card after a declined one.
- It refuses `allowed_payment_method_types`, which replaced `payment_method_types` in Stripe's version 2026-09-30.
- It knows three test cards, and charges the one that is named after being declined.
- It lists events of one type and not of several.
- It refunds more than was paid, and tells nobody about refunds, cancellations and holders who say no.
- Nobody disputes its charges; one of `pm_card_createDispute` is disputed at once (docs.stripe.com/testing#disputes).
- No refund of its fails; one to `pm_card_refundFail` does, seconds after it is given (docs.stripe.com/testing#refunds).
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from localstripe.errors import UserError
from localstripe.resources import Charge, Event, PaymentIntent, PaymentMethod, Refund, StripeObject, store
from localstripe.server import get_post_data
from localstripe.webhooks import schedule_webhook

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# docs.stripe.com/testing: the names that stand for cards, and their numbers.
CARDS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_debit": "4000056655665556",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_discover": "6011111111111117",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_visa_chargeDeclinedStolenCard": "4000000000009979",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedIncorrectCvc": "4000000000000127",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_threeDSecure2Required": "4000000000003220",
    "pm_card_refundFail": "4000000000005126",
    "pm_card_createDispute": "4000000000000259",
}
_IS_DISPUTED = CARDS["pm_card_createDispute"]
_REFUND_FAILS = CARDS["pm_card_refundFail"]
_REFUND_FAILS_AFTER_SECONDS = 2.0
_PAYABLE = {"requires_payment_method", "requires_confirmation"}
_STORED = {200, 402, 500}
_BROKE = {"error": {"type": "api_error", "message": "An unknown error occurred."}}
_RUNNING: dict[str, str] = {}
"""What requests that are being answered asked for, by their keys."""


def fill_gaps(app: web.Application) -> None:
    """Make the application answer as Stripe does."""
    app.middlewares.append(_remember_keys)
    app.middlewares.append(_confirm_and_cancel)
    PaymentIntent._api_create = classmethod(_create_intent(PaymentIntent._api_create.__func__))
    PaymentIntent.amount_received = property(lambda intent: intent.amount if intent.status == "succeeded" else 0)
    PaymentMethod._try_get_canonical_test_article = classmethod(_test_card)
    PaymentMethod._charging_is_declined = _declines(PaymentMethod._charging_is_declined)
    Event._api_list_all = classmethod(_events(Event._api_list_all.__func__))
    Refund._api_create = classmethod(_refund(Refund._api_create.__func__))
    Charge.amount_refunded = property(_amount_refunded)


@web.middleware
async def _remember_keys(request: web.Request, handler: Handler) -> web.StreamResponse:
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method != "POST":
        return await handler(request)
    name = f"idempotency:{request.headers.get('Authorization')}:{key}"
    asked = hashlib.sha256(f"{request.path}\n".encode() + await request.read()).hexdigest()
    first, status, body = store.get(name) or (_RUNNING.get(name, asked), None, b"")
    if first != asked:
        raise UserError(400, "Keys for idempotent requests can only be used with the same parameters.")
    if name in _RUNNING:
        raise UserError(409, "There is currently another in-progress request using this Idempotency-Key.")
    if status is None:
        _RUNNING[name] = asked
        response: web.StreamResponse = web.json_response(_BROKE, status=500)
        try:
            response = await handler(request)
        except UserError as error:
            response = error.to_response()
        finally:
            del _RUNNING[name]
            if response.status in _STORED and isinstance(response, web.Response):
                store[name] = (asked, response.status, bytes(response.body or b""))  # type: ignore[arg-type]
        return response
    return web.Response(
        status=status, body=body, content_type="application/json", headers={"Idempotent-Replayed": "true"}
    )


@web.middleware
async def _confirm_and_cancel(request: web.Request, handler: Handler) -> web.StreamResponse:
    what = request.path.rpartition("/")[2]
    if request.method != "POST" or not request.path.startswith("/v1/payment_intents/"):
        return await handler(request)
    if what == "confirm":
        asked = await get_post_data(request) or {}
        confirmed = _confirm(request.match_info["id"], asked.get("payment_method"))
        return web.json_response(confirmed._export())
    response = await handler(request)
    if what == "cancel":
        schedule_webhook(Event("payment_intent.canceled", PaymentIntent._api_retrieve(request.match_info["id"])))
    if what == "_authenticate":
        intent = PaymentIntent._api_retrieve(request.match_info["id"])
        if intent.status == "requires_payment_method":
            schedule_webhook(Event("payment_intent.payment_failed", intent))
    return response


def _confirm(intent_id: str, payment_method: str | None) -> Any:
    intent = PaymentIntent._api_retrieve(intent_id)
    if intent.status not in _PAYABLE:
        said = f"You cannot confirm this PaymentIntent because it has a status of {intent.status}."
        raise UserError(400, said, {"code": "payment_intent_unexpected_state"})
    if payment_method is not None:
        if not payment_method.startswith(("pm_", "src_", "card_")):
            raise UserError(400, f"No such PaymentMethod: '{payment_method}'", _missing("payment_method"))
        try:
            intent.payment_method = PaymentMethod._api_retrieve(payment_method).id
        except UserError as error:
            raise UserError(400, f"No such PaymentMethod: '{payment_method}'", _missing("payment_method")) from error
        intent.latest_charge = None  # the declined one stays on record as a charge of its own
    confirmed = PaymentIntent._api_confirm(intent_id)
    if confirmed.status == "succeeded" and _card_of(confirmed) == _IS_DISPUTED:
        schedule_webhook(Event("charge.dispute.created", _Dispute(confirmed)))
    return confirmed


def _card_of(intent: Any) -> Any:
    return PaymentMethod._api_retrieve(intent.payment_method)._card_number


class _Dispute(StripeObject):  # type: ignore[misc]  # the library has no types
    object = "dispute"
    _id_prefix = "du_"

    def __init__(self, intent: Any) -> None:
        super().__init__()
        self.payment_intent, self.charge = intent.id, intent.latest_charge.id
        self.amount, self.currency = intent.amount, intent.currency
        self.reason, self.status = "fraudulent", "needs_response"


def _missing(parameter: str) -> dict[str, str]:
    return {"code": "resource_missing", "param": parameter}


def _create_intent(intact: Callable[..., Any]) -> Callable[..., Any]:
    def create(cls: type, *, allowed_payment_method_types: list[str] | None = None, **data: Any) -> Any:
        if "payment_method_types" in data:
            raise UserError(400, "Received unknown parameter: payment_method_types", {"param": "payment_method_types"})
        return intact(cls, **data, payment_method_types=allowed_payment_method_types)

    return create


def _test_card(_: type, name: str) -> Any:
    if name not in CARDS:
        return None
    return PaymentMethod(type="card", card={"number": CARDS[name], "exp_month": "12", "exp_year": "2034", "cvc": "123"})


def _declines(intact: Callable[[Any], bool]) -> Callable[[Any], bool]:
    # To localstripe these cards are declined when they are attached to a customer; here nobody attaches any.
    return lambda method: bool(intact(method) or method._attaching_is_declined())


def _events(intact: Callable[..., Any]) -> Callable[..., Any]:
    def list_all(cls: type, url: str, *, types: list[str] | None = None, **asked: Any) -> Any:
        found = intact(cls, url, **asked)
        found._list = [event for event in reversed(found._list) if types is None or event.type in types]
        return found

    return list_all


def _refund(intact: Callable[..., Any]) -> Callable[..., Any]:
    def refund(cls: type, *, payment_intent: str, amount: str | int | None = None, **data: Any) -> Any:
        paid = PaymentIntent._api_retrieve(payment_intent).latest_charge
        if paid is None or paid.status != "succeeded":
            raise UserError(400, "This PaymentIntent does not have a successful charge to refund.")
        charge = Charge._api_retrieve(paid.id)
        left = charge.amount - charge.amount_refunded
        wanted = left if amount is None else int(amount)
        if wanted > left or left == 0:
            code = "charge_already_refunded" if left == 0 else "amount_too_large"
            said = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
            raise UserError(400, said, {"code": code, "param": "amount"})
        made = intact(cls, payment_intent=payment_intent, amount=wanted, **data)
        schedule_webhook(Event("charge.refunded", charge))
        if _card_of(PaymentIntent._api_retrieve(payment_intent)) == _REFUND_FAILS:
            asyncio.get_running_loop().call_later(_REFUND_FAILS_AFTER_SECONDS, _fail_refund, made.id)
        return made

    return refund


def _fail_refund(refund_id: str) -> None:
    refund = Refund._api_retrieve(refund_id)
    refund.status = "failed"
    refund.failure_reason = "expired_or_canceled_card"
    schedule_webhook(Event("refund.failed", refund))


def _amount_refunded(charge: Any) -> int:
    return sum(refund.amount for refund in charge.refunds._list if refund.status != "failed")
