import asyncio
import signal
import threading
from types import FrameType

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from app.database import Database
from app.settings import Settings
from workers.runtime import Runtime


def test_what_is_out_of_time_does_not_run_on_beside_the_next_task(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the models stay bound to the client of the other tests
    async def bind_nothing(database: Database) -> Database:
        return database

    monkeypatch.setattr(Database, "__aenter__", bind_nothing)
    runtime = Runtime(settings)
    begun, ended = threading.Event(), threading.Event()

    async def endless(_: Database) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    def time_is_up(_: int, frame: FrameType | None) -> None:
        # As Celery says it, once the task waits.
        if begun.is_set() and frame is not None and frame.f_code.co_name == "wait":
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        # when
        with pytest.raises(SoftTimeLimitExceeded):
            runtime.run(endless)

        # then
        assert ended.wait(60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        runtime.close()
