"""Lets money move at once in many ways over HTTP, and says in sentences what shouldn't have happened."""

import asyncio
import json
import uuid
from collections import Counter
from typing import Any

import httpx
import stripe

from app.ids import new_id
from app.payments.gateway import Gateway
from app.settings import Settings
from tests.factories.books import API
from tests.factories.buying import a_stocked_book
from tests.race.buyers import VISA, Market


class Payers:
    """Those who pay in a market, their gateway, and whoever sends its webhooks."""

    def __init__(self, market: Market, gateway: Gateway, settings: Settings) -> None:
        self._market = market
        self._gateway = gateway
        self._secret = settings.stripe_webhook_secret.get_secret_value()

    async def heard_from_everywhere(self) -> list[str]:
        """Pay in the browser; webhooks, `verify` and the shop's own request tell of it at once: it is noted once."""
        placed = await self._placed()
        payment, intent = placed["payment"]["id"], _intent_of(placed)
        await self._gateway.confirm_intent(intent, payment_method=VISA, attempt="browser")
        again = {"order_id": placed["id"], "payment_method": VISA}

        answers = await asyncio.gather(
            *(self._webhook(intent) for _ in range(3)),
            *(self._post(f"{API}/payments/{payment}/verify") for _ in range(6)),
            *(self._post(f"{API}/payments", again) for _ in range(4)),
        )
        await self._post(f"{API}/payments/{payment}/verify")

        heard = Counter(answer.status_code for answer in answers)
        order = await self._one("orders", placed["id"])
        paid = [entry for entry in order["history"] if entry["kind"] == "paid"]
        entered = [row["amount"] async for row in self._rows("ledger_entries", payment_id=payment)]
        told = await self._market.database["outbox_events"].count_documents(
            {"subject": placed["id"], "kind": "order.paid"}
        )
        return (
            _unless(set(heard) <= {200, 201}, f"heard {dict(heard)}")
            + _unless(entered == [order["total"]], f"entered {entered} for {order['total']}")
            + _unless(order["captured"] == order["total"], f"{order['captured']} of {order['total']} noted")
            + _unless((len(paid), told) == (1, 1), f"{len(paid)} times paid, {told} confirmations")
            + await self._market.wrong_stock(placed["items"][0]["book_id"])
        )

    async def one_webhook_many_times(self) -> list[str]:
        """Send one webhook ten times at once, to all replicas: one is in the inbox, and one has an effect."""
        placed = await self._placed()
        event = new_id("evt")

        answers = await asyncio.gather(*(self._webhook(_intent_of(placed), event=event) for _ in range(10)))

        heard = Counter(answer.status_code for answer in answers)
        acted = await self._market.database["outbox_events"].count_documents({"subject": placed["payment"]["id"]})
        return _unless(heard == {200: 10}, f"heard {dict(heard)}") + _unless(acted == 1, f"{acted} effects")

    async def many_begin_to_pay(self) -> list[str]:
        """Ask for an order's payment many times at once, of a gateway that keeps no keys: it is one payment."""
        placed = await self._placed()
        database = self._market.database
        fresh = {"intent_id": None, "client_secret": None}
        await database["payments"].update_one({"_id": placed["payment"]["id"]}, {"$set": fresh})

        answers = await asyncio.gather(*(self._post(f"{API}/payments", {"order_id": placed["id"]}) for _ in range(12)))

        secrets = {answer.json().get("client_secret") for answer in answers}
        return _unless(len(secrets) == 1, f"{len(secrets)} payments that can be paid: {secrets}")

    async def refunds_at_once(self) -> list[str]:
        """Give more back than was paid, in parts at once: the part that fits is given, the others hear why not."""
        placed = await self._placed(payment_method=VISA)
        payment, most = placed["payment"]["id"], placed["total"]["amount"] * 2 // 3
        part = {"amount": {"amount": most, "currency": "USD"}}

        answers = await asyncio.gather(*(self._post(f"{API}/payments/{payment}/refunds", part) for _ in range(8)))

        heard = Counter(answer.status_code for answer in answers)
        row = await self._one("payments", payment)
        return _unless(heard == {201: 1, 409: 7}, f"heard {dict(heard)}") + _unless(
            row["claimed"] <= row["captured"], f"{row['claimed']} promised of {row['captured']}"
        )

    async def one_refund_many_times(self) -> list[str]:
        """Send one refund many times at once, to a gateway that keeps no keys: it is given once."""
        placed = await self._placed(payment_method=VISA)
        payment, key = placed["payment"]["id"], uuid.uuid4().hex
        part = {"amount": {"amount": 100, "currency": "USD"}}

        answers = await asyncio.gather(
            *(self._post(f"{API}/payments/{payment}/refunds", part, key=key) for _ in range(12))
        )

        heard = Counter(answer.status_code for answer in answers)
        given = [refund.amount for refund in await self._gateway.refunds_of(_intent_of(placed))]
        bodies = len({answer.content for answer in answers})
        return (
            _unless(heard == {201: 12}, f"heard {dict(heard)}")
            + _unless(given == [100], f"the gateway gave {given}")
            + _unless(bodies == 1, f"{bodies} different answers")
        )

    async def _placed(self, **given: Any) -> dict[str, Any]:
        book = await a_stocked_book(self._market.staff, 5)
        answer = await self._market.buy((book, 1), **given)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    async def _post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self._market.surely(lambda: self._market.staff.post(path, json=body, headers=headers))

    async def _webhook(self, intent: str, *, event: str | None = None) -> httpx.Response:
        thing = {"object": "payment_intent", "id": intent}
        body = json.dumps({"id": event or new_id("evt"), "type": "payment_intent.succeeded", "data": {"object": thing}})
        signature = stripe.WebhookSignature.generate_signature_header(body, self._secret)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        path = f"{API}/webhooks/stripe"
        return await self._market.surely(lambda: self._market.staff.post(path, content=body, headers=headers))

    async def _one(self, collection: str, id_: str) -> dict[str, Any]:
        found = await self._market.database[collection].find_one({"_id": id_})
        assert found is not None
        return found

    def _rows(self, collection: str, **query: Any) -> Any:
        return self._market.database[collection].find(query)


def _intent_of(placed: dict[str, Any]) -> str:
    return str(placed["payment"]["client_secret"]).partition("_secret")[0]


def _unless(held: bool, sentence: str) -> list[str]:  # noqa: FBT001  reads as a sentence
    return [] if held else [sentence]
