import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.mailbox import mails_in
from stack.profile import throwaway_profile
from stack.running import Stack, running_stack
from stack.tokens import access_token
from tests.factories.accounts import bearer
from tests.factories.books import API
from tests.factories.buying import a_stocked_book, an_order, stock
from tests.outbox.sink import eventually


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Stack]:
    """A whole system in which orders are to be paid at once."""
    profile = throwaway_profile("unpaid", folder=tmp_path / "system", first_port=25000)
    hasty = {"BOOKSTORE_UNPAID_ORDER_SECONDS": "1"}
    async with running_stack(
        dataclasses.replace(profile, starter_books=False, extra_environment=profile.extra_environment | hasty)
    ) as stack:
        yield stack


async def test_beat_and_workers_end_an_order_that_nobody_pays(system: Stack) -> None:
    gateway = system.environment["BOOKSTORE_STRIPE_API_BASE"]
    async with (
        httpx.AsyncClient(base_url=system.url, timeout=60, headers=bearer(access_token(system, role="staff"))) as staff,
        httpx.AsyncClient(
            base_url=system.url, timeout=60, headers=bearer(access_token(system, role="customer"))
        ) as customer,
        httpx.AsyncClient(base_url=gateway, timeout=60, headers=bearer(system.environment["STRIPE_API_KEY"])) as ledger,
    ):
        # given
        book = await a_stocked_book(staff, 3)

        # when
        placed = await an_order(customer, (book, 2))

        # then
        async def now() -> dict[str, Any]:
            found: dict[str, Any] = (await customer.get(f"{API}/orders/{placed['id']}")).json()
            return found

        async def ended() -> bool:
            order = await now()
            return (order["status"], order["payment"]["status"]) == ("expired", "cancelled")

        async def letters() -> list[str]:
            mails = mails_in(system.profile.mails)
            return [mail.subject for mail in mails if placed["number"] in mail.body("plain")]

        await eventually(ended)
        assert await stock(staff, book) == (3, 0)
        intent_id = placed["payment"]["client_secret"].partition("_secret_")[0]
        assert (await ledger.get(f"/v1/payment_intents/{intent_id}")).json()["status"] == "canceled"
        await eventually(letters)
        assert await letters() == [f"Your order has expired ({placed['number']})"]
