"""Rings for workers that aren't there."""

import pytest
from celery import Celery
from redis.asyncio import Redis

from tests.factories.own_redis import OwnRedis
from workers import outbox_relay
from workers.celery_app import transport_options


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
