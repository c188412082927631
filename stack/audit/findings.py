"""What the audit says: which invariant is broken, by what, and how."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Invariant(StrEnum):
    """What has to hold (docs/architecture.md)."""

    ORDERS = "I1 every acknowledged order is there, once"
    STOCK = "I2 every copy is accounted for"
    MONEY = "I3 one charge per order, to the cent"
    LETTERS = "I4 one confirmation per order"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that doesn't agree. The same fault found again is equal, whatever numbers it has by then."""

    invariant: Invariant
    subject: str
    fault: str
    says: str = field(compare=False)

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {
            "invariant": self.invariant.name.lower(),
            "subject": self.subject,
            "fault": self.fault,
            "says": self.says,
        }


@dataclass
class Counts:
    """How much was looked at."""

    books: int = 0
    orders: int = 0
    paid_orders: int = 0
    payments: int = 0
    charges: int = 0
    refunds: int = 0
    letters: int = 0
    taken: int = 0
    given_back: int = 0
    given_elsewhere: int = 0
    entered_in: int = 0
    entered_out: int = 0


@dataclass(frozen=True)
class Verdict:
    """What one audit found. Amounts are minor units."""

    findings: list[Finding]
    counts: Counts
    rounds: int

    @property
    def holds(self) -> bool:
        """Whether everything agrees."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "holds": self.holds,
            "rounds": self.rounds,
            "findings": [one.as_json() for one in self.findings],
            "counts": vars(self.counts),
        }
