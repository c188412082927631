"""Makes the ids of things: a prefix that names the kind, and a ULID, so that ids sort by time."""

import re
from typing import Final, TypeAlias

from ulid import ULID

BookId: TypeAlias = str
CategoryId: TypeAlias = str
MovementId: TypeAlias = str
OrderId: TypeAlias = str
CartId: TypeAlias = str
PaymentId: TypeAlias = str
RefundId: TypeAlias = str
UserId: TypeAlias = str
SessionId: TypeAlias = str
EventId: TypeAlias = str
AuditEntryId: TypeAlias = str
UserTokenId: TypeAlias = str
AddressId: TypeAlias = str

BOOK: Final = "bk"
CATEGORY: Final = "cat"
MOVEMENT: Final = "mov"
ORDER: Final = "ord"
CART: Final = "crt"
PAYMENT: Final = "pay"
REFUND: Final = "rf"
LEDGER_ENTRY: Final = "led"
USER: Final = "usr"
PASSWORD: Final = "pwd"  # noqa: S105  a prefix
SESSION: Final = "ses"
EVENT: Final = "evt"
AUDIT: Final = "aud"
USER_TOKEN: Final = "tok"  # noqa: S105  a prefix
ADDRESS: Final = "adr"

_ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"


def new_id(prefix: str) -> str:
    """Return a fresh id such as `bk_01J9Z…`: the prefix, and a ULID (github.com/ulid/spec) of this millisecond."""
    return f"{prefix}_{ULID()}"


def payment_id_of(order_id: OrderId) -> PaymentId:
    """Return the id of an order's payment: an order has one payment, and this is what makes it one."""
    return f"{PAYMENT}_{order_id.removeprefix(f'{ORDER}_')}"


def pattern(prefix: str) -> str:
    """Return the regular expression that ids with this prefix match whole."""
    return f"^{re.escape(prefix)}_{_ULID}$"
