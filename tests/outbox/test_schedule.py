from types import ModuleType

import pytest

from app.services import expiring, reconciling
from workers.celery_app import celery_app
from workers.schedule import SCHEDULE


def test_beat_rings_for_tasks_that_there_are() -> None:
    # when: what a worker does before it takes tasks
    celery_app.loader.import_default_modules()

    # then
    assert {str(entry["task"]) for entry in SCHEDULE.values()} <= set(celery_app.tasks)


@pytest.mark.parametrize(("name", "use_case"), [("end unpaid orders", expiring), ("ask about payments", reconciling)])
def test_a_round_ends_before_the_next_so_that_letters_find_a_worker(name: str, use_case: ModuleType) -> None:
    every = SCHEDULE[name]["schedule"]

    assert isinstance(every, float)
    assert every > use_case._SECONDS
