"""Shapes what happened to an order: an entry of its history, kept in the order itself."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.order_states import OrderStatus, PaymentStatus


class OrderEventKind(StrEnum):
    """What happened."""

    PLACED = "placed"
    PAYMENT_PROCESSING = "payment_processing"
    PAYMENT_FAILED = "payment_failed"
    PAID = "paid"
    PAID_TOO_LATE = "paid_too_late"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"


class OrderEvent(BaseModel):
    """One change of an order, with where it stood afterwards. Written with the change, never changed itself."""

    model_config = ConfigDict(frozen=True)

    kind: OrderEventKind
    status: OrderStatus
    payment_status: PaymentStatus
    actor: Annotated[str, Field(description="A user's id, or `gateway`, `clock`")]
    reason: str | None = None
    amount: Annotated[int | None, Field(description="Minor units, where money moved")] = None
    at: datetime
