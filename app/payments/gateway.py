"""Says what the shop wants of a payment gateway, in the shop's words; `stripe_gateway.py` is the one it has."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.errors import BookstoreError, PaymentGatewayUnavailable


class IntentStatus(StrEnum):
    """Where a payment stands, as Stripe names it (docs.stripe.com/payments/paymentintents/lifecycle)."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    REQUIRES_CAPTURE = "requires_capture"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Intent:
    """What the gateway knows of one payment: amounts in minor units; `received` is the money that came in."""

    id: str
    status: IntentStatus
    amount: int
    currency: str
    received: int
    client_secret: str | None
    payment_id: str | None
    """Ours, as given when it was made."""
    failure: str | None
    """Why the last attempt was refused, in words for the payer."""


class RefundStatus(StrEnum):
    """What became of a refund; `pending` ones have left the shop's account already."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class GatewayRefund:
    """One refund as the gateway has it; `refund_id` is ours, none where it was made at the gateway itself."""

    id: str
    status: RefundStatus
    amount: int
    currency: str
    refund_id: str | None


@dataclass(frozen=True)
class GatewayEvent:
    """A verified notice that something happened to an intent: a hint to go and ask, never the truth."""

    id: str
    kind: str
    intent_id: str | None
    sent_at: datetime
    """On the gateway's clock."""


class RequestRefused(BookstoreError):
    """The gateway said no for good: nothing happened, and the same question gets the same answer.

    To who asked the shop it is as good as away: the fault isn't theirs.
    """

    code = PaymentGatewayUnavailable.code

    def __init__(self, detail: str, *, code: str | None = None, parameter: str | None = None) -> None:
        """Take the gateway's words, its code, and the parameter at fault."""
        super().__init__(detail)
        self.reason = code
        self.parameter = parameter


class IntentUnknown(RequestRefused):
    """The gateway has no such intent, so nobody can pay it: it was made with the key of another account."""


class Gateway(Protocol):
    """Moves money. Every call may take seconds: never make one while a transaction is open.

    Each raises PaymentGatewayUnavailable where the outcome is unknown, and RequestRefused where nothing happened.
    """

    async def create_intent(self, *, payment_id: str, order_id: str, amount: int, currency: str) -> Intent:
        """Prepare a payment; no money moves. A repeat gives the same intent, where the gateway keeps keys."""
        ...

    async def fetch_intent(self, intent_id: str) -> Intent:
        """Return what the gateway knows now.

        Raises:
            IntentUnknown: there is no such intent.
        """
        ...

    async def confirm_intent(self, intent_id: str, *, payment_method: str, attempt: str) -> Intent:
        """Take the money by this method. An intent is charged once at most, however often this is called.

        Raises:
            PaymentDeclined: the card was refused; another one may be tried.
        """
        ...

    async def cancel_intent(self, intent_id: str) -> Intent:
        """Make sure that nobody can pay this any more; returns the intent as it is then, which may be paid.

        Raises:
            IntentUnknown: there is no such intent.
        """
        ...

    async def refund(self, intent_id: str, *, refund_id: str, amount: int) -> GatewayRefund:
        """Give money back. A repeat gives the same refund, where the gateway keeps keys."""
        ...

    async def refunds_of(self, intent_id: str) -> list[GatewayRefund]:
        """Return every refund of an intent, also those that the shop didn't ask for."""
        ...

    def read_event(self, body: bytes, signature: str | None) -> GatewayEvent:
        """Return the event that a webhook brought.

        Raises:
            WebhookSignatureInvalid: it isn't signed with our secret, or was signed too long ago.
        """
        ...

    async def events_since(self, moment: datetime, *, before: datetime | None = None) -> list[GatewayEvent]:
        """Return every event about payments and refunds since then, in no order, whether its webhook came or not.

        Those that happened at `before` or later, on the gateway's clock, are left out.
        """
        ...

    async def aclose(self) -> None:
        """Hang up."""
        ...
