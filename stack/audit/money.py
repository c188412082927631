"""Judges the money: what the gateway took and gave is what orders, payments and books say, to the cent."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from app.ids import REFUND
from app.order_states import CALLED_OFF, SOLD
from stack.audit.evidence import Charge, Evidence, Row
from stack.audit.findings import Finding, Invariant

_GIVEN: Final = frozenset({"succeeded"})
_PROMISED: Final = frozenset({"succeeded", "pending"})


def judge_money(evidence: Evidence) -> Iterator[Finding]:
    """Yield what doesn't agree between the gateway, the payments, the orders and the books."""
    yield from _orders(evidence)
    yield from _payments(evidence)
    yield from _books(evidence)
    yield from _gateway(evidence)


def _orders(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.orders:
        captured, refunded, total = order["captured"], order["refunded"], order["total"]
        if order["status"] in SOLD and captured != total:
            yield _finding(order["_id"], "captured", f"it is {order['status']} for {total}, {captured} was taken")
        if order["status"] == "pending_payment" and captured:
            yield _finding(order["_id"], "captured", f"it waits for its payment, and {captured} was taken")
        if order["status"] in CALLED_OFF and captured != refunded:
            says = f"it is {order['status']}, {captured} was taken and {refunded} given back"
            yield _finding(order["_id"], "not given back", says)
        payment = evidence.payments.get(order["payment_id"])
        if payment is None:
            yield _finding(order["_id"], "no payment", f"{captured} was taken, and there is no payment")
        elif (payment["captured"], payment["refunded"]) != (captured, refunded):
            says = f"order {captured} - {refunded}, payment {payment['captured']} - {payment['refunded']}"
            yield _finding(order["_id"], "payment", says)


def _payments(evidence: Evidence) -> Iterator[Finding]:
    totals = {order["_id"]: order["total"] for order in evidence.orders}
    given, promised = _sums(evidence.refunds, _GIVEN), _sums(evidence.refunds, _PROMISED)
    for payment_id, payment in evidence.payments.items():
        if payment["order_id"] not in totals:
            yield _finding(payment_id, "no order", "there is no such order")
        elif totals[payment["order_id"]] != payment["amount"]:
            yield _finding(payment_id, "amount", f"{payment['amount']}, the order's is {totals[payment['order_id']]}")
        if not payment["refunded"] <= payment["claimed"] <= payment["captured"] <= payment["amount"]:
            says = ", ".join(f"{name} {payment[name]}" for name in ("refunded", "claimed", "captured", "amount"))
            yield _finding(payment_id, "ceiling", says)
        if given[payment_id] != payment["refunded"] or promised[payment_id] != payment["claimed"]:
            says = f"given {given[payment_id]} of {payment['refunded']}, promised {promised[payment_id]}"
            yield _finding(payment_id, "refunds", f"{says} of {payment['claimed']}")


def _sums(refunds: list[Row], statuses: frozenset[str]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for refund in refunds:
        if refund["status"] in statuses:
            sums[refund["payment_id"]] += refund["amount"]
    return sums


def _books(evidence: Evidence) -> Iterator[Finding]:
    entered: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in evidence.entries:
        side, amount = booked(entry)
        entered[entry["payment_id"]][side] += amount
    for payment_id in {*entered, *evidence.payments}:
        payment = evidence.payments.get(payment_id, {"captured": 0, "refunded": 0})
        sums = entered[payment_id]
        if (sums["in"], sums["out"]) != (payment["captured"], payment["refunded"]):
            says = f"entered {sums['in']} - {sums['out']}, payment {payment['captured']} - {payment['refunded']}"
            yield _finding(payment_id, "books", says)


def booked(entry: Row) -> tuple[str, int]:
    """Return whether a row of the books tells of money that came in or that went out, and how much, in minor units.

    What went out and returned, since the payer's bank refused it, is less that went out.
    """
    to_us = entry["debit"] == "gateway"
    if entry["source"].startswith(f"{REFUND}_"):
        return "out", -entry["amount"] if to_us else entry["amount"]
    return "in", entry["amount"] if to_us else -entry["amount"]


def _gateway(evidence: Evidence) -> Iterator[Finding]:
    charges: defaultdict[str, list[Charge]] = defaultdict(list)
    for charge in evidence.charges:
        charges[charge.payment_id].append(charge)
    elsewhere = _sums([refund for refund in evidence.refunds if refund["elsewhere"]], _GIVEN)
    for payment_id in {*charges, *evidence.payments}:
        payment = evidence.payments.get(payment_id)
        taken = sum(charge.received for charge in charges[payment_id])
        back = sum(charge.refunded for charge in charges[payment_id])
        if payment is None:
            yield _finding(payment_id, "unknown charge", f"the gateway took {taken} for a payment that nobody knows")
            continue
        if len(charges[payment_id]) > 1:
            says = ", ".join(f"{charge.intent_id} {charge.received}" for charge in charges[payment_id])
            yield _finding(payment_id, "charged twice", says)
        if taken != payment["captured"]:
            yield _finding(payment_id, "taken", f"the gateway took {taken}, recorded is {payment['captured']}")
        if back != payment["refunded"] - elsewhere[payment_id]:
            says = (
                f"the gateway gave {back}, recorded is {payment['refunded']}, {elsewhere[payment_id]} of it elsewhere"
            )
            yield _finding(payment_id, "given back", says)
        if payment["status"] == "cancelled" and payment["intent_id"] in evidence.payable:
            yield _finding(payment_id, "payable", f"it is called off, and {payment['intent_id']} can still be paid")


def _finding(subject: str, fault: str, says: str) -> Finding:
    return Finding(Invariant.MONEY, subject, fault, says)
