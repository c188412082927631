"""Configures Celery: late acknowledgement, bounded times, and a broker that may die without blocking anybody."""

from typing import Final

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from app.settings import Settings, is_rabbitmq
from app.telemetry import configure_logging
from workers import runtime
from workers.schedule import SCHEDULE

settings = Settings()


def transport_options(broker_url: str) -> dict[str, object]:
    """Return what this kind of broker has to be told.

    RabbitMQ gives a dead worker's task to another by itself, and confirms what it took. Redis does neither: there a
    task that nobody acknowledged comes back after a minute.
    """
    if is_rabbitmq(broker_url):
        return {"confirm_publish": True}
    return {"visibility_timeout": 60, "socket_timeout": 5, "socket_connect_timeout": 2}


_BROKER: Final = settings.broker_url.get_secret_value()

celery_app = Celery("bookstore", broker=_BROKER, include=["workers.tasks"])
celery_app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_time_limit=55,
    task_soft_time_limit=50,
    task_publish_retry=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=transport_options(_BROKER),
    timezone="UTC",
    beat_schedule=SCHEDULE,
    beat_max_loop_interval=5,
)


@setup_logging.connect
def _log_as_the_api_does(**_: object) -> None:
    configure_logging(settings.process_name)


@worker_process_init.connect
def _open(**_: object) -> None:
    runtime.start(settings)


@worker_process_shutdown.connect
def _close(**_: object) -> None:
    runtime.stop()
