"""Names the work that Celery does; each task is one call of a use case and may run twice."""

from app.database import Database
from app.models.search_term import SearchTerm
from app.services.shelving import relabel_books
from workers.celery_app import celery_app
from workers.runtime import run


@celery_app.task(name="search.rebuild_vocabulary")
def rebuild_search_vocabulary() -> None:
    """Count again how many books have each word: search weighs and corrects words by it."""

    async def use_case(_: Database) -> None:
        await SearchTerm.recount()

    run(use_case)


@celery_app.task(name="catalogue.relabel_books")
def finish_relabelling() -> None:
    """Finish changes of categories that a process left half done when it died."""

    async def use_case(_: Database) -> None:
        await relabel_books()

    run(use_case)
