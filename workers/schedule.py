"""Says what runs when; beat rings, and workers do."""

from typing import Final

MINUTE: Final = 60.0
SECOND: Final = 1.0

MONEY: Final = "money"
"""The queue, with workers of its own, of what mustn't wait for letters, whose server may hang: expiry, refunds, news of
payments."""

SENT_WITHIN: Final = 5 * SECOND
"""For so long whoever sends a task waits for the broker to take it: one that hangs would be waited for without end."""

RECOUNT_SECONDS: Final = 6 * MINUTE
"""A count that takes longer is ended: it must be over before the next begins, or counts would take every child."""

SCHEDULE: Final = {
    "rebuild the search vocabulary": {
        "task": "search.rebuild_vocabulary",
        "schedule": 10 * MINUTE,
        "options": {"expires": 3 * MINUTE, "timeout": SENT_WITHIN},
    },
    "finish changes of categories": {
        "task": "catalogue.relabel_books",
        "schedule": MINUTE,
        "options": {"expires": MINUTE, "timeout": SENT_WITHIN},
    },
    "end unpaid orders": {
        "task": "orders.expire",
        "schedule": 10 * SECOND,
        "options": {"queue": MONEY, "expires": 10 * SECOND, "timeout": SENT_WITHIN},
    },
    "ask about payments": {
        "task": "payments.reconcile",
        "schedule": 10 * SECOND,
        "options": {"queue": MONEY, "expires": 10 * SECOND, "timeout": SENT_WITHIN},
    },
}
