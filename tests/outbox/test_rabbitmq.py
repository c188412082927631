"""Delivers events over RabbitMQ, as `BOOKSTORE_BROKER_URL=amqp://…` asks for: a real server from Debian's package."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from pymongo.asynchronous.client_session import AsyncClientSession

from app.events import Event
from app.ids import new_id
from app.lifespan import Resources
from app.models.outbox_event import OutboxEvent
from app.services import fulfilment
from app.services.health import status_of
from app.settings import Settings
from stack.environment import inherited_environment
from tests.factories.books import API
from tests.factories.orders import an_order
from tests.factories.ports import free_port
from tests.outbox.sink import mails_once_there

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
PATIENCE = 120.0


class Rabbit:
    """A RabbitMQ with a folder, ports and name registry of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._registry = str(free_port())
        self._environment = {
            "PATH": f"{PROGRAMS}:/usr/sbin:{os.environ['PATH']}",
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "ERL_EPMD_PORT": self._registry,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self._log = folder / "server.log"
        # Erlang would start it by itself, and leave it behind.
        self._names = subprocess.Popen(["epmd", "-port", self._registry, "-address", "127.0.0.1"])

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [PROGRAMS / "rabbitmq-server"], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    def hang(self) -> None:
        os.killpg(self._server.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self._server.pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self._names.kill()
        self._names.wait()

    async def answers(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(b"AMQP\x00\x00\x09\x01")
                    if await reader.read(1):
                        writer.close()
                        return
                    writer.close()
                except OSError:
                    pass
                await asyncio.sleep(0.2)


@pytest.fixture
async def rabbit(tmp_path: Path) -> AsyncIterator[Rabbit]:
    if not (PROGRAMS / "rabbitmq-server").exists() or shutil.which("epmd") is None:
        pytest.skip(
            "RabbitMQ isn't installed; on Debian: sudo apt-get install -y --no-install-recommends rabbitmq-server"
        )
    server = Rabbit(tmp_path)
    server.start()
    try:
        await server.answers()
        yield server
    finally:
        server.close()


@contextmanager
def process(settings: Settings, broker: str, log: Path, *command: str) -> Iterator[None]:
    environment = {
        **inherited_environment(),
        "BOOKSTORE_BROKER_URL": broker,
        "BOOKSTORE_MONGO_DATABASE": settings.mongo_database,
        "BOOKSTORE_PROCESS_NAME": "rabbit",
    }
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


@pytest.fixture
def delivery(rabbit: Rabbit, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """A worker and a relay that know this broker; what they say is in `worker.log` and `relay.log`."""
    worker = ("celery", "-A", "workers.celery_app", "worker", "--concurrency", "1", "--loglevel", "info")
    with (
        process(settings, rabbit.url, tmp_path / "worker.log", *worker),
        process(settings, rabbit.url, tmp_path / "relay.log", "workers.outbox_relay"),
    ):
        yield


async def written_down(shop: Resources) -> str:
    async def transaction(session: AsyncClientSession) -> str:
        subject = new_id("ord")
        return await OutboxEvent.add(Event("order.placed", subject, {"order_id": subject}), session=session)

    return await shop.database.run_in_transaction(transaction)


async def until_delivered(event_id: str) -> OutboxEvent:
    async with asyncio.timeout(PATIENCE):
        while True:
            event = await OutboxEvent.find_one({"_id": event_id})
            assert event is not None
            if event.state == "delivered":
                return event
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("delivery")
async def test_events_are_delivered_over_rabbitmq_also_after_it_was_killed(
    rabbit: Rabbit, shop: Resources, tmp_path: Path
) -> None:
    # when
    first = await until_delivered(await written_down(shop))

    # then
    assert (first.attempts, first.error) == (1, None)
    assert "amqp://" in (tmp_path / "worker.log").read_text()

    # when: it dies with everything that it knows of queues, and events go on
    rabbit.kill()
    waiting = await written_down(shop)
    rabbit.start()
    await rabbit.answers()

    # then
    assert (await until_delivered(waiting)).error is None


@pytest.mark.usefixtures("delivery")
async def test_a_confirmation_comes_over_rabbitmq(
    shop: Resources, staff: httpx.AsyncClient, customer: httpx.AsyncClient, mails: Path
) -> None:
    # given
    buyer = (await customer.get(f"{API}/users/me")).json()
    order = await an_order(shop.till, staff, user_id=buyer["id"])

    # when
    await shop.till.commit(lambda work: fulfilment.settle_paid(order.id, captured=order.total, attempt=work))

    # then
    event = await OutboxEvent.find_one({"kind": "order.paid", "subject": order.id})
    assert event is not None
    assert (await until_delivered(event.id)).attempts == 1
    [letter] = await mails_once_there(mails, to=buyer["email"], count=1)
    assert letter.identity == f"<{event.id}@bookstore.example>"


@pytest.mark.usefixtures("delivery")
async def test_the_relay_goes_on_sweeping_while_rabbitmq_hangs(rabbit: Rabbit, shop: Resources, tmp_path: Path) -> None:
    # given
    await until_delivered(await written_down(shop))

    # when
    rabbit.hang()
    waiting = await written_down(shop)
    async with asyncio.timeout(PATIENCE):
        # Each sweep that rings says so: the second came to nothing over a new connection.
        while (tmp_path / "relay.log").read_text().count("the broker is away") < 2:
            await asyncio.sleep(0.1)
    rabbit.resume()

    # then
    assert (await until_delivered(waiting)).error is None


async def test_the_state_of_things_knows_rabbitmq(rabbit: Rabbit, shop: Resources, settings: Settings) -> None:
    async def state(url: str) -> tuple[str, str]:
        asked = settings.model_copy(update={"broker_url": SecretStr(url)})
        [broker] = [one for one in (await status_of(asked, shop.database)).dependencies if "broker" in one.name]
        return broker.name, broker.state

    assert await state(rabbit.url) == ("rabbitmq-broker", "up")
    assert await state("amqp://guest:guest@127.0.0.1:9//") == ("rabbitmq-broker", "down")
