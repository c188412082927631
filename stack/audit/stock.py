"""Judges the stock: initial + restocked = on hand + sold, and what is held is held for somebody."""

from collections import Counter
from collections.abc import Iterator

from app.order_states import HOLDING, SOLD
from stack.audit.evidence import Evidence
from stack.audit.findings import Finding, Invariant


def judge_stock(evidence: Evidence) -> Iterator[Finding]:
    """Yield what doesn't agree between the stock, its movements and the orders."""
    held, sold = copies_of(evidence, HOLDING), copies_of(evidence, SOLD)
    for book, stock in evidence.stocks.items():
        on_hand, kept, gone, received = (stock[name] for name in ("on_hand", "held", "sold", "received"))
        if on_hand < 0 or kept < 0 or kept > on_hand:
            yield _finding(book, "impossible", f"on hand {on_hand}, held {kept}")
        if received != on_hand + gone:
            yield _finding(book, "equation", f"received {received}, but on hand {on_hand} + sold {gone}")
        sums = evidence.moved.get(book, {"on_hand": 0, "held": 0, "sold": 0})
        for name, has in (("on_hand", on_hand), ("held", kept), ("sold", gone)):
            if sums[name] != has:
                yield _finding(book, f"movements of {name}", f"{name} is {has}, its movements say {sums[name]}")
        if kept != held[book]:
            yield _finding(book, "held", f"held {kept}, but unpaid orders are for {held[book]}")
        if gone != sold[book]:
            yield _finding(book, "sold", f"sold {gone}, but paid orders are for {sold[book]}")
    for book in {*held, *sold, *evidence.moved} - set(evidence.stocks):
        yield _finding(book, "no stock", "orders or movements of a book that has no stock")


def copies_of(evidence: Evidence, statuses: frozenset[str]) -> Counter[str]:
    """Count the copies that orders in these states are for, by book."""
    copies: Counter[str] = Counter()
    for order in evidence.orders:
        if order["status"] in statuses:
            for line in order["lines"]:
                copies[line["book_id"]] += line["quantity"]
    return copies


def _finding(book: str, fault: str, says: str) -> Finding:
    return Finding(Invariant.STOCK, book, fault, says)
