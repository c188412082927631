"""Beanie documents, and every MongoDB query of the program, named by what it means.

Ids are strings everywhere. Beanie takes ids of any type, but its hint names one: hence `type: ignore[assignment]`.
"""

from beanie import Document

from app.models.address import SavedAddress
from app.models.audit_entry import AuditEntry
from app.models.book import Book
from app.models.cache_grant import CacheGrant
from app.models.cart import Cart
from app.models.category import Category
from app.models.gateway_mark import GatewayMark
from app.models.idempotency_key import IdempotencyKey
from app.models.inventory import Inventory, StockMovement
from app.models.ledger_entry import LedgerEntry
from app.models.order import Order
from app.models.outbox_event import OutboxEvent
from app.models.payment import Payment
from app.models.refund import Refund
from app.models.search_term import SearchTerm
from app.models.session import Session
from app.models.user import User
from app.models.user_token import UserToken
from app.models.webhook_event import WebhookEvent

DOCUMENTS: list[type[Document]] = [
    AuditEntry,
    Book,
    CacheGrant,
    Cart,
    Category,
    GatewayMark,
    IdempotencyKey,
    Inventory,
    LedgerEntry,
    Order,
    OutboxEvent,
    Payment,
    Refund,
    SearchTerm,
    StockMovement,
    SavedAddress,
    Session,
    User,
    UserToken,
    WebhookEvent,
]
"""Every collection."""
