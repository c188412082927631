"""Takes payments with Stripe, or with whatever speaks its API at `BOOKSTORE_STRIPE_API_BASE`."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NoReturn, TypeVar

import orjson
import stripe
from aiohttp import ClientError, ClientTimeout

from app import clock
from app.errors import MalformedJson, PaymentDeclined, PaymentGatewayUnavailable, WebhookSignatureInvalid
from app.payments.gateway import (
    Gateway,
    GatewayEvent,
    GatewayRefund,
    Intent,
    IntentStatus,
    IntentUnknown,
    RefundStatus,
    RequestRefused,
)
from app.payments.stripe_keys import REPEATS, under_key
from app.settings import Settings
from app.telemetry import logger

T = TypeVar("T")

TOLERANCE_SECONDS: Final = 300
_CONNECT_SECONDS: Final = 2.0
_PAGE: Final = 100
_SETTLED: Final = frozenset(
    {IntentStatus.SUCCEEDED, IntentStatus.PROCESSING, IntentStatus.REQUIRES_ACTION, IntentStatus.CANCELED}
)
_HEEDED: Final = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
)
_MISSING: Final = "resource_missing"
_CARD: Final = "card"
"""The others may need the payer's browser to come back to a page of ours; an API has none."""


class StripeGateway:
    """Stripe through its own library. Answers that didn't come in time are unknown outcomes, never failures."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; it connects when first used."""
        self._seconds = settings.payment_deadline_seconds
        self._secret = settings.stripe_webhook_secret.get_secret_value()
        self._http = stripe.AIOHTTPClient(timeout=ClientTimeout(total=self._seconds, connect=_CONNECT_SECONDS))
        self._client = stripe.StripeClient(
            settings.stripe_api_key.get_secret_value(),
            base_addresses={"api": settings.stripe_api_base},
            http_client=self._http,
            max_network_retries=REPEATS,
        )
        self._intents = self._client.v1.payment_intents
        self._refunds = self._client.v1.refunds

    async def create_intent(self, *, payment_id: str, order_id: str, amount: int, currency: str) -> Intent:
        """Prepare a payment; no money moves."""
        asked: stripe.params.PaymentIntentCreateParams = {
            "amount": amount,
            "currency": currency.lower(),
            "allowed_payment_method_types": [_CARD],
            "metadata": {"payment_id": payment_id, "order_id": order_id},
        }
        made = under_key(f"create-{payment_id}", lambda options: self._intents.create_async(asked, options))
        return _intent(await self._answer(made))

    async def fetch_intent(self, intent_id: str) -> Intent:
        """Return what Stripe knows now."""
        try:
            return _intent(await self._answer(self._intents.retrieve_async(intent_id)))
        except RequestRefused as error:
            # Asked for by its id alone, nothing else can be missing.
            if error.reason == _MISSING:
                raise IntentUnknown(error.detail, code=error.reason) from error
            raise

    async def confirm_intent(self, intent_id: str, *, payment_method: str, attempt: str) -> Intent:
        """Take the money; where it is taken already, say so."""
        confirmed = under_key(
            f"confirm-{intent_id}-{attempt}",
            lambda options: self._intents.confirm_async(intent_id, {"payment_method": payment_method}, options),
        )
        try:
            return _intent(await self._answer(confirmed))
        except RequestRefused:
            # An intent that was charged refuses to be charged again.
            intent = await self.fetch_intent(intent_id)
            if intent.status in _SETTLED:
                return intent
            raise

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel it, unless it is cancelled or paid."""
        try:
            return _intent(await self._answer(self._intents.cancel_async(intent_id)))
        except RequestRefused:
            return await self.fetch_intent(intent_id)

    async def refund(self, intent_id: str, *, refund_id: str, amount: int) -> GatewayRefund:
        """Give money back."""
        asked: stripe.params.RefundCreateParams = {
            "payment_intent": intent_id,
            "amount": amount,
            "metadata": {"refund_id": refund_id},
        }

        async def given() -> stripe.Refund | None:
            refunds = await self._list_refunds(intent_id)
            return next((one for one in refunds if _noted(one, "refund_id") == refund_id), None)

        made = under_key(
            f"refund-{refund_id}",
            lambda options: self._refunds.create_async(asked, options),
            # No repeat of the library's: who asks again looks first at what was given.
            repeats=0,
            done=given,
        )
        return _refund(await self._answer(made))

    async def refunds_of(self, intent_id: str) -> list[GatewayRefund]:
        """Return every refund of an intent."""
        return [_refund(one) for one in await self._answer(self._list_refunds(intent_id))]

    def read_event(self, body: bytes, signature: str | None) -> GatewayEvent:
        """Verify and read a webhook's event (docs.stripe.com/webhooks#verify-manually)."""
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._secret, TOLERANCE_SECONDS)
        # TypeError: what isn't ASCII is no signature, and compared with none.
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError) as error:
            raise WebhookSignatureInvalid("The event isn't signed with our secret, or too long ago.") from error
        try:
            return _event(orjson.loads(body))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise MalformedJson("This is no event.") from error

    async def events_since(self, moment: datetime, *, before: datetime | None = None) -> list[GatewayEvent]:
        """Return what Stripe told, or tried to tell, of intents and refunds (it keeps that for 30 days).

        Each page has a time-out of its own: how many there are depends on how long nobody asked.
        """
        created = {"gte": int(moment.timestamp())} | ({"lt": int(before.timestamp())} if before else {})
        asked: dict[str, Any] = {"created": created, "types": list(_HEEDED), "limit": _PAGE}
        found: list[GatewayEvent] = []
        while True:
            # As plain data: the library's objects of all that a hundred events carry cost a worker some 0.06 s.
            answer = await self._answer(self._client.raw_request_async("get", "/v1/events", **asked))
            page: Any = answer.data
            found += [_event(one) for one in page["data"]]
            if not page["has_more"]:
                return found
            asked["starting_after"] = page["data"][-1]["id"]

    async def aclose(self) -> None:
        """Hang up."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library leaves it out

    async def _list_refunds(self, intent_id: str) -> list[stripe.Refund]:
        page = await self._refunds.list_async({"payment_intent": intent_id, "limit": _PAGE})
        return [one async for one in page.auto_paging_iter()]

    async def _answer(self, question: Awaitable[T]) -> T:
        """Wait for Stripe's answer, and say in the shop's words what a failure means."""
        try:
            async with asyncio.timeout(self._seconds):
                return await question
        except stripe.CardError as error:
            detail = error.user_message or "The card was declined."
            raise PaymentDeclined(detail, decline_code=error.code) from error
        except stripe.InvalidRequestError as error:
            # Stand-ins may leave the code out.
            code = error.code or (_MISSING if error.http_status == HTTPStatus.NOT_FOUND else None)
            raise RequestRefused(str(error.user_message), code=code, parameter=error.param) from error
        except (stripe.StripeError, ClientError, TimeoutError) as error:
            logger.warning("payment gateway", extra={"error": type(error).__name__, "detail": str(error)[:300]})
            raise PaymentGatewayUnavailable("The payment provider doesn't answer; the outcome is unknown.") from error


class NoGateway:
    """Stands where no key is set: orders can be placed, and paid once there is one."""

    async def create_intent(self, *, payment_id: str, order_id: str, amount: int, currency: str) -> Intent:  # noqa: ARG002  the protocol's names
        """Refuse."""
        self._refuse()

    async def fetch_intent(self, intent_id: str) -> Intent:  # noqa: ARG002
        """Refuse."""
        self._refuse()

    async def confirm_intent(self, intent_id: str, *, payment_method: str, attempt: str) -> Intent:  # noqa: ARG002
        """Refuse."""
        self._refuse()

    async def cancel_intent(self, intent_id: str) -> Intent:  # noqa: ARG002
        """Refuse."""
        self._refuse()

    async def refund(self, intent_id: str, *, refund_id: str, amount: int) -> GatewayRefund:  # noqa: ARG002
        """Refuse."""
        self._refuse()

    async def refunds_of(self, intent_id: str) -> list[GatewayRefund]:  # noqa: ARG002
        """Refuse."""
        self._refuse()

    async def events_since(self, moment: datetime, *, before: datetime | None = None) -> list[GatewayEvent]:  # noqa: ARG002
        """Have nothing to tell."""
        return []

    def read_event(self, body: bytes, signature: str | None) -> GatewayEvent:  # noqa: ARG002
        """Believe nobody."""
        raise WebhookSignatureInvalid("This shop has no secret to verify events with.")

    async def aclose(self) -> None:
        """Have nothing to hang up."""

    @staticmethod
    def _refuse() -> NoReturn:
        raise PaymentGatewayUnavailable("This shop has no payment provider; STRIPE_API_KEY isn't set.")


def gateway_of(settings: Settings) -> Gateway:
    """Return the gateway that the settings name."""
    return StripeGateway(settings) if settings.stripe_api_key.get_secret_value() else NoGateway()


def _intent(found: stripe.PaymentIntent) -> Intent:
    status = IntentStatus(found.status)
    # Stand-ins may not know `amount_received`, which is the whole amount where captures aren't partial.
    received = getattr(found, "amount_received", found.amount) if status is IntentStatus.SUCCEEDED else 0
    error = found.last_payment_error
    return Intent(
        id=found.id,
        status=status,
        amount=found.amount,
        currency=found.currency.upper(),
        received=received,
        client_secret=found.client_secret,
        payment_id=_noted(found, "payment_id"),
        failure=getattr(error, "message", None),
    )


_REFUND_STATUS: Final = {
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}


def _refund(found: stripe.Refund) -> GatewayRefund:
    return GatewayRefund(
        id=found.id,
        status=_REFUND_STATUS.get(found.status or "", RefundStatus.PENDING),
        amount=found.amount,
        currency=found.currency.upper(),
        refund_id=_noted(found, "refund_id"),
    )


def _noted(found: stripe.PaymentIntent | stripe.Refund, name: str) -> str | None:
    metadata = found.metadata
    return metadata[name] if metadata and name in metadata else None


def _event(event: dict[str, Any]) -> GatewayEvent:
    thing = event["data"]["object"]
    # Events about an intent carry it; those about its charges and refunds name it.
    intent_id = thing.get("id") if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    sent_at = clock.moment(int(event.get("created", 0)))
    return GatewayEvent(id=str(event["id"]), kind=str(event["type"]), intent_id=intent_id, sent_at=sent_at)
