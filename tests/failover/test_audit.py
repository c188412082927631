"""Plants an error of each kind into a running shop, and expects the audit to name it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.models.outbox_event import KEPT_FOR
from stack.audit import auditing
from stack.audit.auditing import audit
from stack.audit.evidence import Evidence, gather
from stack.audit.findings import Invariant
from stack.environment import inherited_environment
from stack.running import Stack
from tests.failover.world import PATIENCE, VISA, World, location_of_order, names


async def test_a_shop_that_works_has_no_findings(world: World) -> None:
    verdict = await audit(world.system, patience=PATIENCE)

    assert verdict.findings == []
    assert verdict.counts.paid_orders >= 2
    assert verdict.counts.taken == verdict.counts.entered_in > 0
    assert verdict.counts.given_back == verdict.counts.entered_out > 0


@dataclass(frozen=True)
class Plant:
    """An error: what is changed in which collection, and what the audit then says of whom."""

    collection: str
    query: Callable[[World], dict[str, Any]]
    change: dict[str, Any] | None
    invariant: Invariant
    subject: Callable[[World], str]
    fault: str


def of_book(world: World) -> str:
    return world.book


def of_order(world: World) -> str:
    return world.order


def of_payment(world: World) -> str:
    return world.payment


def _plant(what: str, change: dict[str, Any] | None, fault: str, *, query: dict[str, Any] | None = None) -> Any:
    who = {
        "inventory": (of_book, "_id", Invariant.STOCK, of_book),
        "stock_movements": (of_book, "book_id", Invariant.STOCK, of_book),
        "orders": (of_order, "_id", Invariant.ORDERS, of_order),
        "orders money": (of_order, "_id", Invariant.MONEY, of_order),
        "orders letters": (of_order, "_id", Invariant.LETTERS, of_order),
        "idempotency_keys": (location_of_order, "headers.Location", Invariant.ORDERS, of_order),
        "payments": (of_payment, "_id", Invariant.MONEY, of_payment),
        "ledger_entries": (of_payment, "payment_id", Invariant.MONEY, of_payment),
        "refunds": (of_payment, "payment_id", Invariant.MONEY, of_payment),
        "outbox_events": (of_order, "subject", Invariant.LETTERS, of_order),
    }
    named, key, invariant, subject = who[what]
    more = query or {}
    return pytest.param(
        Plant(what.split(maxsplit=1)[0], lambda world: {key: named(world)} | more, change, invariant, subject, fault),
        id=f"{what}: {fault}",
    )


@pytest.mark.parametrize(
    "plant",
    [
        _plant("inventory", {"$inc": {"on_hand": 1}}, "equation"),
        _plant("inventory", {"$inc": {"on_hand": 1, "received": 1}}, "movements of on_hand"),
        _plant("inventory", {"$inc": {"held": 1}}, "held"),
        _plant("inventory", {"$inc": {"sold": 1, "received": 1}}, "sold"),
        _plant("inventory", {"$set": {"on_hand": -1}}, "impossible"),
        _plant("inventory", None, "no stock"),
        _plant("stock_movements", None, "movements of sold", query={"kind": "sold"}),
        _plant("stock_movements", None, "movements of held", query={"kind": "held"}),
        _plant("orders", None, "lost"),
        _plant("orders", {"$inc": {"total": 1}}, "sum"),
        *(
            _plant("orders", {"$push": {"history": {"$each": [{"kind": kind, "status": "paid"}] * 2}}}, f"twice {kind}")
            for kind in ("placed", "paid", "cancelled", "expired")
        ),
        _plant("orders", {"$pop": {"history": -1}}, "no story"),
        _plant("orders", {"$set": {"status": "shipped"}}, "history"),
        _plant("orders", {"$set": {"history.$[one].kind": "placed"}}, "unpaid"),
        _plant("orders", {"$set": {"status": "expired"}}, "no end"),
        _plant("orders money", {"$inc": {"captured": -1}}, "captured"),
        _plant("orders money", {"$set": {"status": "pending_payment"}}, "captured"),
        _plant("orders money", {"$inc": {"refunded": 1}}, "payment"),
        _plant("orders money", {"$set": {"status": "cancelled"}}, "not given back"),
        _plant("orders money", {"$set": {"payment_id": "pay_of_nobody"}}, "no payment"),
        _plant("payments", {"$inc": {"captured": -1}}, "taken"),
        _plant("payments", {"$inc": {"refunded": 1}}, "given back"),
        _plant("payments", {"$inc": {"amount": 1}}, "amount"),
        _plant("payments", {"$inc": {"claimed": 100_000}}, "ceiling"),
        _plant("payments", {"$set": {"order_id": "ord_of_nobody"}}, "no order"),
        _plant("payments", None, "unknown charge"),
        _plant("ledger_entries", None, "books"),
        _plant("ledger_entries", {"$inc": {"amount": 1}}, "books"),
        _plant("refunds", {"$inc": {"amount": 1}}, "refunds"),
        _plant("refunds", None, "refunds"),
        _plant("outbox_events", None, "events", query={"kind": "order.paid"}),
        _plant("orders letters", None, "no order"),
        _plant("idempotency_keys", None, "unanswered"),
    ],
)
async def test_what_does_not_agree_is_named(world: World, plant: Plant) -> None:
    # given
    collection, query = world.database[plant.collection], plant.query(world)
    found = await collection.find_one(query)
    assert found is not None
    assert (await audit(world.system, patience=PATIENCE)).findings == []

    # when
    if plant.change is None:
        await collection.delete_one({"_id": found["_id"]})
    else:
        filters = [{"one.kind": "paid"}] if "$[one]" in json.dumps(plant.change) else None
        await collection.update_one({"_id": found["_id"]}, plant.change, array_filters=filters)
    try:
        verdict = await audit(world.system, patience=0)
    finally:
        await collection.replace_one({"_id": found["_id"]}, found, upsert=True)

    # then
    assert (plant.invariant.name, plant.subject(world), plant.fault) in names(verdict)


async def test_letters_that_lack_or_came_twice_are_named(world: World) -> None:
    # given
    event = await world.database.outbox_events.find_one({"kind": "order.paid", "subject": world.order})
    assert event is not None
    [letter] = [file for file in world.system.profile.mails.glob("*.eml") if f"<{event['_id']}@" in file.read_text()]
    expected = ("LETTERS", world.order, "letters")

    async def spoilt(do: Callable[[], object], undo: Callable[[], object]) -> set[tuple[str, str, str]]:
        do()
        try:
            return names(await audit(world.system, patience=0))
        finally:
            undo()

    # then
    away, twin = letter.with_suffix(".away"), letter.with_name(f"0{letter.name}")
    assert expected in await spoilt(lambda: letter.rename(away), lambda: away.rename(letter))
    assert expected in await spoilt(lambda: shutil.copy(letter, twin), twin.unlink)


async def test_a_finding_has_to_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: something that is wrong at the first look alone, as work under way may be
    stock = {"_id": world.book}
    looks: list[Evidence] = []

    async def gather_and_heal(stack: Stack) -> Evidence:
        looks.append(await gather(stack))
        if len(looks) == 1:
            await world.database.inventory.update_one(stock, {"$inc": {"held": -1}})
        return looks[-1]

    await world.database.inventory.update_one(stock, {"$inc": {"held": 1}})
    monkeypatch.setattr(auditing, "gather", gather_and_heal)

    # when
    verdict = await audit(world.system, patience=PATIENCE)

    # then
    assert auditing.judged(looks[0]) != []
    assert verdict.findings == []
    assert verdict.rounds == len(looks) > 1


async def test_the_command_says_so(world: World) -> None:
    # given
    environment = {
        **inherited_environment(),
        "BOOKSTORE_STATE": str(world.system.profile.folder.parent),
        "BOOKSTORE_PROFILE": world.system.profile.folder.name,
        "PATH": os.environ["PATH"],
    }

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "stack", "audit", *arguments]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)

    # when
    good = await asyncio.to_thread(command, "--patience", str(PATIENCE))
    await world.database.ledger_entries.update_one({"payment_id": world.payment}, {"$inc": {"amount": 5}})
    try:
        bad = await asyncio.to_thread(command, "--json", "--patience", "0")
        patient = await asyncio.to_thread(command, "--patience", "0.5")
    finally:
        await world.database.ledger_entries.update_one({"payment_id": world.payment}, {"$inc": {"amount": -5}})

    # then
    assert (good.returncode, good.stderr) == (0, "")
    assert "holds  I3 one charge per order, to the cent" in good.stdout
    assert f"I4 is judged of orders paid within {KEPT_FOR.days} days" in good.stdout
    assert bad.returncode == 1
    [finding] = json.loads(bad.stdout)["findings"]
    assert (finding["invariant"], finding["subject"], finding["fault"]) == ("money", world.payment, "books")
    assert patient.stdout.startswith(
        "1 thing doesn't agree yet, as while work is under way; looking again for up to 0.5 s …\nholds  I1"
    )


async def test_charges_that_nobody_recorded_are_named(world: World) -> None:
    # given
    key = {"Authorization": f"Bearer {world.system.environment['STRIPE_API_KEY']}"}
    base = world.system.environment["BOOKSTORE_STRIPE_API_BASE"]
    async with httpx.AsyncClient(base_url=base, trust_env=False, headers=key, timeout=60) as ledger:
        made = []
        for payment_id in (world.payment, "pay_of_nobody"):
            charge = {"amount": 777, "currency": "usd", "payment_method": VISA, "confirm": "true"}
            charge["metadata[payment_id]"] = payment_id
            made.append((await ledger.post("/v1/payment_intents", data=charge)).json()["id"])

        # when
        try:
            verdict = await audit(world.system, patience=0)
        finally:
            for intent_id in made:
                await ledger.delete(f"/v1/payment_intents/{intent_id}")

    # then
    assert {
        ("MONEY", world.payment, "charged twice"),
        ("MONEY", world.payment, "taken"),
        ("MONEY", "pay_of_nobody", "unknown charge"),
    } <= names(verdict)


async def test_a_payment_that_is_called_off_here_and_not_at_the_gateway_is_named(world: World) -> None:
    # given
    key = {"Authorization": f"Bearer {world.system.environment['STRIPE_API_KEY']}"}
    base = world.system.environment["BOOKSTORE_STRIPE_API_BASE"]
    paid = await world.database.payments.find_one({"_id": world.payment})
    assert paid is not None
    async with httpx.AsyncClient(base_url=base, trust_env=False, headers=key, timeout=60) as ledger:
        open_intent = (await ledger.post("/v1/payment_intents", data={"amount": 777, "currency": "usd"})).json()["id"]
        called_off = {"_id": "pay_called_off", "status": "cancelled", "intent_id": open_intent}

        # when
        await world.database.payments.insert_one(paid | called_off)
        try:
            verdict = await audit(world.system, patience=0)
        finally:
            await world.database.payments.delete_one({"_id": "pay_called_off"})
            await ledger.post(f"/v1/payment_intents/{open_intent}/cancel")

    # then
    assert ("MONEY", "pay_called_off", "payable") in names(verdict)
