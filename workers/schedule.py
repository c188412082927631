"""Says what runs when; beat rings, and workers do."""

from typing import Final

MINUTE: Final = 60.0
SECOND: Final = 1.0

SCHEDULE: Final = {
    "rebuild the search vocabulary": {
        "task": "search.rebuild_vocabulary",
        "schedule": 10 * MINUTE,
        "options": {"expires": 5 * MINUTE},
    },
    "finish changes of categories": {
        "task": "catalogue.relabel_books",
        "schedule": MINUTE,
        "options": {"expires": MINUTE},
    },
    "end unpaid orders": {
        "task": "orders.expire",
        "schedule": 10 * SECOND,
        "options": {"expires": 10 * SECOND},
    },
    "ask about payments": {
        "task": "payments.reconcile",
        "schedule": 10 * SECOND,
        "options": {"expires": 10 * SECOND},
    },
}
