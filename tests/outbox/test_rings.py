"""Rings for workers that aren't there."""

import json

import pytest
from celery import Celery
from redis.asyncio import Redis

from tests.factories.own_redis import OwnRedis
from workers import outbox_relay
from workers.celery_app import transport_options
from workers.schedule import MONEY


async def test_rings_that_nobody_takes_do_not_pile_up(own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    lonely = Celery("lonely", broker=own_redis.url)
    lonely.conf.broker_transport_options = transport_options(own_redis.url)
    monkeypatch.setattr(outbox_relay, "celery_app", lonely)
    monkeypatch.setattr(outbox_relay, "_MOST_RINGS", 3)

    async with Redis.from_url(own_redis.url) as broker:
        # when
        for number in range(10):
            outbox_relay.ring([f"ord_{number}"])

        # then
        assert await broker.llen("celery") == 3

        # when a worker is there again, and takes one
        await broker.lpop("celery")
        for number in range(10):
            outbox_relay.ring([f"ord_{number}"])

        # then
        assert await broker.llen("celery") == 3
    lonely.close()


async def test_payments_are_rung_for_where_no_letter_waits(
    own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    lonely = Celery("lonely", broker=own_redis.url)
    lonely.conf.broker_transport_options = transport_options(own_redis.url)
    monkeypatch.setattr(outbox_relay, "celery_app", lonely)

    # when
    outbox_relay.ring(["ord_1", "pay_1", "usr_1", "pay_2"])

    # then
    async with Redis.from_url(own_redis.url) as broker:
        rung = {queue: await broker.lrange(queue, 0, -1) for queue in ("celery", MONEY)}
    told = {queue: [json.loads(ring)["headers"]["argsrepr"] for ring in rings] for queue, rings in rung.items()}
    assert told == {"celery": ["[['ord_1', 'usr_1']]"], MONEY: ["[['pay_1', 'pay_2']]"]}
    lonely.close()
