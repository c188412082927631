"""Judges the orders: each that was acknowledged is there once, adds up, and has its story; and its letter."""

from collections import Counter
from collections.abc import Iterator

from app.models.idempotency_key import KEPT_FOR as ANSWERS_KEPT_FOR
from app.models.outbox_event import KEPT_FOR
from app.order_states import CALLED_OFF, SOLD
from stack.audit.evidence import Evidence, Row
from stack.audit.findings import Finding, Invariant


def judge_orders(evidence: Evidence) -> Iterator[Finding]:
    """Yield what doesn't agree among orders, and with the answers that were given for them."""
    known = {order["_id"] for order in evidence.orders}
    for order_id, answers in evidence.answered_orders.items():
        if order_id not in known:
            yield _finding(order_id, "lost", "the shop acknowledged this order, and hasn't got it")
        if answers > 1:
            yield _finding(order_id, "answers", f"{answers} keys were answered with this order")
    for order in evidence.orders:
        if order["_id"] not in evidence.answered_orders and order["created_at"] > evidence.read_at - ANSWERS_KEPT_FOR:
            # The second of two orders under one key is one that no answer names.
            yield _finding(order["_id"], "unanswered", "no key was answered with this order")
        yield from _sums(order)
        yield from _story(order)


def judge_letters(evidence: Evidence) -> Iterator[Finding]:
    """Yield orders that were paid and didn't get exactly one confirmation, and letters for others.

    Not of those that were paid before `KEPT_FOR`: what was asked for then is forgotten, or will be any moment.
    """
    events: dict[str, list[str]] = {}
    for event in evidence.confirmations:
        events.setdefault(event["subject"], []).append(event["_id"])
    identities = Counter(letter.removeprefix("<").partition("@")[0] for letter in evidence.letters)
    for order in evidence.orders:
        told = events.pop(order["_id"], [])
        paid_at = next((entry["at"] for entry in order["history"] if entry["kind"] == "paid"), None)
        if paid_at is not None and paid_at <= evidence.read_at - KEPT_FOR:
            continue
        sold = paid_at is not None
        if len(told) != int(sold):
            says = f"{len(told)} confirmations were asked for, {int(sold)} had to be"
            yield Finding(Invariant.LETTERS, order["_id"], "events", says)
        sent = sum(identities[event] for event in told)
        if order["user_id"] in evidence.readers and sent != len(told):
            says = f"{sent} confirmations arrived, {len(told)} were asked for"
            yield Finding(Invariant.LETTERS, order["_id"], "letters", says)
    for subject in events:
        yield Finding(Invariant.LETTERS, subject, "no order", "a confirmation was asked for, and there is no order")


def _sums(order: Row) -> Iterator[Finding]:
    lines = sum(line["unit_price"] * line["quantity"] for line in order["lines"])
    if order["subtotal"] != lines or order["total"] != lines + order["shipping"]:
        says = f"total {order['total']}, lines {lines}, shipping {order['shipping']}"
        yield _finding(order["_id"], "sum", says)


def _story(order: Row) -> Iterator[Finding]:
    kinds = Counter(entry["kind"] for entry in order["history"])
    for kind in ("placed", "paid", "cancelled", "expired"):
        if kinds[kind] > 1:
            yield _finding(order["_id"], f"twice {kind}", f"it was {kind} {kinds[kind]} times")
    if not kinds["placed"]:
        yield _finding(order["_id"], "no story", "its history doesn't begin with its being placed")
    if order["history"] and order["history"][-1]["status"] != order["status"]:
        says = f"it is {order['status']}, its history ends {order['history'][-1]['status']}"
        yield _finding(order["_id"], "history", says)
    if order["status"] in SOLD and not kinds["paid"]:
        yield _finding(order["_id"], "unpaid", f"it is {order['status']}, and was never paid")
    if order["status"] in CALLED_OFF and not kinds[order["status"]]:
        yield _finding(order["_id"], "no end", f"it is {order['status']}, and its history doesn't know")


def _finding(order: str, fault: str, says: str) -> Finding:
    return Finding(Invariant.ORDERS, order, fault, says)
