from types import ModuleType

import pytest

from app.services import expiring, reconciling
from workers.celery_app import celery_app
from workers.schedule import RECOUNT_SECONDS, SCHEDULE


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


def test_a_recount_of_the_vocabulary_is_over_before_the_next_so_that_it_takes_no_second_worker() -> None:
    # given
    entry = SCHEDULE["rebuild the search vocabulary"]
    celery_app.loader.import_default_modules()
    task = celery_app.tasks[str(entry["task"])]
    every, options = entry["schedule"], entry["options"]

    # then: the latest start and the longest run
    assert isinstance(every, float)
    assert isinstance(options, dict)
    assert options["expires"] + RECOUNT_SECONDS < every
    assert task.soft_time_limit < task.time_limit == RECOUNT_SECONDS
    # and a broker that misses its acknowledgement gives it to nobody else meanwhile
    assert task.acks_late is False
